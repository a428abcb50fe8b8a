import Foundation
import PreferenceData
import RunFolder
import Testing

@Suite struct TokenCacheTests {
  private static func tokenizer(identity: String? = "characters", limits: LengthLimits? = nil) throws -> PairTokenizer {
    PairTokenizer(
      encode: { CharacterTokenizer().encode($0, $1) },
      renderWithVariables: { messages, generates, variables in
        variables.map { "[\($1.text())]" }.joined() + renderMarked(messages, generation: generates)
      }, endTokens: [3], endText: "<end>", limits: try limits ?? LengthLimits(), identity: identity)
  }

  private static let rows = (0..<300).map { index in
    index % 50 == 7
      ? "{\"prompt\": 1}"
      : #"{"chosen": [{"role": "user", "content": "q\#(index)", "x": 1.5}, {"role": "assistant", "content": "yés \#(index)"}], "#
        + #""rejected": [{"role": "user", "content": "q\#(index)", "x": 1.5}, {"role": "assistant", "content": "no"}], "tools": [{"name": "f"}]}"#
  }

  private func names(in folder: String) throws -> [String] {
    try FileSystem.contents(ofFolder: folder).filter { $0.hasSuffix(".bin") }
  }

  private func pairs(
    _ files: [String], cache: String, tokenizer: PairTokenizer? = nil, badRows: BadRows = .skip, threads: Int = 2
  ) throws -> TokenizedPairs {
    try TokenCache(environment: ["TREG_CACHE": cache]).pairs(
      of: files, tokenizer: tokenizer ?? Self.tokenizer(), badRows: badRows, threads: threads)
  }

  private func all(_ tokens: TokenizedPairs) throws -> [TokenizedPair] {
    try tokens.pairs.pairs(at: tokens.pairs.indices)
  }

  @Test func givesWhatTokenisingGives() throws {
    let folder = try TemporaryFolder()
    let data = try folder.write("a.jsonl", Self.rows.joined(separator: "\n"))
    let read = try PreferenceFile.read([data], badRows: .skip)
    let direct = try Self.tokenizer().tokenize(read.rows)
    for cache in [folder.path + "/cache", folder.path + "/cache", "off"] {
      let found = try pairs([data], cache: cache)
      #expect(try all(found) == all(direct))
      #expect(found.contentHash == direct.contentHash)
      #expect(found.readCount == 300 && found.skipped == read.skipped)
      #expect(found.totals.repairs.map(\.count) == [294])
      #expect(found.pairs.indices.allSatisfy { found.pairs.counts(at: $0) == direct.pairs.counts(at: $0) })
      #expect(found.pairs.index(ofRow: 8) == 7 && found.pairs.index(ofRow: 7) == nil)
      #expect(found.pairs.selecting([5, 2]).allCounts.map(\.row) == [5, 2])
    }
    #expect(try names(in: folder.path + "/cache").count == 1)
  }

  @Test func knowsMovedFilesAndTellsChangedOnes() throws {
    let folder = try TemporaryFolder()
    let cache = folder.path + "/cache"
    let data = try folder.write("a.jsonl", Self.rows.joined(separator: "\n"))
    let first = try pairs([data], cache: cache)
    let moved = try folder.write("b.jsonl", Self.rows.joined(separator: "\n"))
    let second = try pairs([moved], cache: cache)
    #expect(try names(in: cache).count == 1)
    #expect(second.contentHash == first.contentHash)
    #expect(try second.pairs.pair(at: 3).source.place == "\(moved):4")
    #expect(second.skipped.reasons.first?.hasPrefix("\(moved):8: row without `chosen`") == true)
    _ = try pairs([data], cache: cache, tokenizer: Self.tokenizer(identity: "another"))
    _ = try pairs([data], cache: cache, tokenizer: Self.tokenizer(limits: LengthLimits(maxLength: 500)))
    _ = try pairs([data, moved], cache: cache)
    let changed = try folder.write("a.jsonl", Self.rows.dropLast().joined(separator: "\n"))
    #expect(try pairs([changed], cache: cache).readCount == 299)
    #expect(try names(in: cache).count == 5)
    // Without a known identity nothing is kept.
    _ = try pairs([moved], cache: folder.path + "/other", tokenizer: Self.tokenizer(identity: nil))
    #expect(FileSystem.kind(of: folder.path + "/other") == nil)
  }

  @Test func makesDamagedFilesAnew() throws {
    let folder = try TemporaryFolder()
    let cache = folder.path + "/cache"
    let data = try folder.write("a.jsonl", Self.rows.joined(separator: "\n"))
    let whole = try pairs([data], cache: cache)
    let file = cache + "/" + (try #require(try names(in: cache).first))
    let good = try FileSystem.readBytes(file)
    for place in [0, 100, good.count / 2, good.count - 70, good.count - 60, good.count - 20] {
      var bytes = good
      bytes[place] ^= 0x10
      try AtomicFile.write(bytes, to: file)
      let again = try pairs([data], cache: cache)
      #expect(try all(again) == all(whole))
      #expect(try FileSystem.readBytes(file) == good)
    }
    for count in [0, 63, 200, good.count - 1] {
      try AtomicFile.write(Array(good.prefix(count)), to: file)
      #expect(try pairs([data], cache: cache).contentHash == whole.contentHash)
    }
  }

  /// A file that is written to, or cut, while it is open fails with its name; what was not touched is still read.
  @Test func tellsOfFilesThatChangeWhileTheyAreUsed() throws {
    let folder = try TemporaryFolder()
    let cache = folder.path + "/cache"
    let data = try folder.write("a.jsonl", Self.rows.joined(separator: "\n"))
    let open = try pairs([data], cache: cache).pairs
    let file = cache + "/" + (try #require(try names(in: cache).first))
    let first = try open.pair(at: 0)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    try handle.seek(toOffset: UInt64(try FileSystem.size(of: file) / 4))
    try handle.write(contentsOf: Data(repeating: 0, count: 2000))
    try handle.close()
    expectError(.inputOutput, "\(file): the tokens kept there have changed while they were used") {
      try open.pairs(at: open.indices)
    }
    #expect(try open.pair(at: 0) == first)
  }

  @Test func keepsNothingOfRunsThatFail() throws {
    let folder = try TemporaryFolder()
    let cache = folder.path + "/cache"
    let data = try folder.write("a.jsonl", Self.rows.joined(separator: "\n"))
    expectError(
      .badData, "\(data):8: row without `chosen`: expected columns prompt, chosen, rejected; found: prompt"
    ) { try pairs([data], cache: cache, badRows: .error) }
    #expect(try FileSystem.contents(ofFolder: cache) == [])
    let useless = try folder.write("b.jsonl", "{}")
    expectError(
      .badData,
      "\(useless): none of 1 rows can be used; the first: \(useless):1: row without `chosen`: expected columns prompt,"
        + " chosen, rejected; found: none"
    ) { try pairs([useless], cache: cache) }
  }

  @Test func manyAtOnceMakeOneFile() throws {
    let folder = try TemporaryFolder()
    let cache = folder.path + "/cache"
    let data = try folder.write("a.jsonl", Self.rows.joined(separator: "\n"))
    let hashes = Collected()
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      hashes.add((try? pairs([data], cache: cache, threads: 1))?.contentHash ?? "failed")
    }
    #expect(Set(hashes.values).count == 1 && !hashes.values.contains("failed"))
    #expect(try names(in: cache).count == 1)
  }
}

private final class Collected: @unchecked Sendable {
  private let lock = NSLock()
  private var all: [String] = []
  var values: [String] { lock.withLock { all } }
  func add(_ value: String) { lock.withLock { all.append(value) } }
}
