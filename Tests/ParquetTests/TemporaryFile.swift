import Foundation

/// A file that is gone after the test.
enum TemporaryFile {
  static func with(_ bytes: some Collection<UInt8>, _ body: (String) throws -> Void) throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "treg-parquet-\(UUID().uuidString)")
    try Data(bytes).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    try body(url.path)
  }
}
