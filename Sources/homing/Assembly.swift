import Config
enum Assembly {
    static func serve(_ settings: ServeSettings) async throws { print(ConfigText.effective(settings), terminator: "") }
}
