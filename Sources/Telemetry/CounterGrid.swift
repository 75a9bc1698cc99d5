/// Counters of one family for every combination of two labels, reached by two indices instead of a search.
///
/// For counts by method and status: the values of both labels are fixed at assembly, so a peer can never add one, and a
/// stream adds with two array steps. Cells that were never added to are left out of the exposition.
public struct CounterGrid: Sendable {
    private let cells: [Counter]
    private let columns: Int

    /// One counter per row and column, row by row; only the registry makes grids.
    init(cells: [Counter], columns: Int) {
        self.cells = cells
        self.columns = columns
    }

    /// The counter of these positions in the lists of values that the grid was made with. Both must be in range.
    public subscript(row: Int, column: Int) -> Counter {
        precondition(column >= 0 && column < self.columns, "a counter grid's column is one of its label values")
        return self.cells[row * self.columns + column]
    }
}
