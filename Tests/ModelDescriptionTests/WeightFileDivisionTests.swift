import ModelDescription
import Testing

@Suite struct WeightFileDivisionTests {
  private func parameters(_ counts: [Int]) -> [Parameter] {
    var offset = 0
    return counts.enumerated().map { index, count in
      defer { offset += count }
      return Parameter(
        name: "t\(index)", shape: [count], offset: offset, role: .attentionNorm, layer: nil, isStoredTransposed: false)
    }
  }

  private func names(_ files: [[[Parameter]]]) -> [[[String]]] { files.map { $0.map { $0.map(\.name) } } }

  @Test func everyTensorIsInOneFile() {
    let many = parameters((0..<200).map { 1 + $0 * $0 * 97 })
    for writers in [1, 2, 3, 8, 300] {
      for fileBytes in [Int.max, 50_000_000, 1_000_000] {
        let files = WeightFileDivision.files(of: many, writers: writers, fileBytes: fileBytes)
        #expect(files.count == writers)
        let found = names(files).joined().joined()
        #expect(found.count == many.count && Set(found) == Set(many.map(\.name)), "\(writers) writers")
        for file in files.joined() {
          #expect(file.count == 1 || 4 * file.reduce(0) { $0 + $1.count } <= fileBytes)
          #expect(!file.isEmpty && file.map(\.name) == file.map(\.name).sorted())
        }
      }
    }
  }

  @Test func writersHaveAboutAsMuch() {
    let layers = parameters((0..<64).map { 1_000_000 + $0 * 10_000 })
    let sizes = WeightFileDivision.files(of: layers, writers: 4).map { $0.joined().reduce(0) { $0 + $1.count } }
    #expect(sizes.max()! < sizes.min()! + sizes.min()! / 20, "\(sizes)")
    // One large tensor is one writer's; the others divide the rest.
    let embedding = WeightFileDivision.files(of: parameters([50_000_000, 5_000_000, 5_000_000]), writers: 2)
    #expect(names(embedding) == [[["t0"]], [["t1", "t2"]]])
  }

  @Test func littleIsWrittenByOne() {
    let few = parameters([1000, 2000, 3000])
    #expect(names(WeightFileDivision.files(of: few, writers: 3)) == [[["t0", "t1", "t2"]], [], []])
    // Unless it is cut into several files anyway.
    #expect(
      names(WeightFileDivision.files(of: few, writers: 2, fileBytes: 12_000)) == [[["t0", "t1"]], [["t2"]]])
  }
}
