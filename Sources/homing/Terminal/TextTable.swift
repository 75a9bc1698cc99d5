import Foundation

/// Columns of text that line up in a terminal, with a head.
struct TextTable {
    struct Column {
        let title: String
        var isNumber = false

        static func text(_ title: String) -> Column { Column(title: title) }
        static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
    }

    /// One cell, and how it is painted.
    struct Cell {
        var text: String
        var paint = TerminalPaint.plain
    }

    let columns: [Column]
    private(set) var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ row: [Cell]) {
        precondition(row.count == self.columns.count, "a row has a cell for every column")
        self.rows.append(row)
    }

    /// One line each, the head first. Trailing spaces are left out.
    func lines(_ style: TerminalStyle) -> [String] {
        let widths = self.columns.indices.map { column in
            self.rows.reduce(self.columns[column].title.count) { max($0, $1[column].text.count) }
        }
        let head = self.columns.map { Cell(text: $0.title.uppercased(), paint: .faint) }
        return ([head] + self.rows).map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.text.count)
                let isLast = column == row.count - 1
                let painted = style.painted(cell.text, cell.paint)
                line += self.columns[column].isNumber ? space + painted : painted + (isLast ? "" : space)
                if !isLast { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

/// What a piece of text is, for the eye. The words say it too.
enum TerminalPaint {
    case plain, strong, faint, good, bad, wait

    fileprivate var code: String? {
        switch self {
        case .plain: nil
        case .strong: "1"
        case .faint: "2"
        case .good: "32"
        case .bad: "31"
        case .wait: "33"
        }
    }
}

/// Colours on a terminal that wants them: not when the output goes elsewhere, NO_COLOR is set, or TERM is dumb.
struct TerminalStyle {
    let isColoured: Bool

    static let plain = TerminalStyle(isColoured: false)

    init(isColoured: Bool) { self.isColoured = isColoured }

    /// As standard output and the environment say.
    init() {
        let environment = ProcessInfo.processInfo.environment
        let wantsNone = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
        self.isColoured = Self.isTerminal && !wantsNone
    }

    /// A terminal that can write over what it has written.
    static var isClever: Bool { ProcessInfo.processInfo.environment["TERM"] ?? "dumb" != "dumb" }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    func painted(_ text: String, _ paint: TerminalPaint) -> String {
        guard self.isColoured, let code = paint.code, !text.isEmpty else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}

/// Numbers as people read them.
enum Spoken {
    static func span(ms: Int) -> String {
        let seconds = max(0, ms / 1_000)
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3_600: return "\(seconds / 60)m\(seconds % 60)s"
        case ..<86_400: return "\(seconds / 3_600)h\(seconds / 60 % 60)m"
        default: return "\(seconds / 86_400)d\(seconds / 3_600 % 24)h"
        }
    }

    static func duration(ms: Double?) -> String {
        guard let ms else { return "-" }
        if ms >= 1_000 { return String(format: "%.2f s", ms / 1_000) }
        return String(format: ms < 10 ? "%.1f ms" : "%.0f ms", ms)
    }

    static func share(_ share: Double?) -> String { share.map { "\(Int(($0 * 100).rounded())) %" } ?? "-" }

    /// Hours, minutes and seconds of the day, UTC.
    static func clock(unixMs: Int) -> String {
        let second = unixMs / 1_000 % 86_400
        return String(format: "%02d:%02d:%02d", second / 3_600, second / 60 % 60, second % 60)
    }
}
