import OrderedJSON
import RunFolder

/// A place in a column of a row group: the levels of the present entry, and its value when it has one.
///
/// One page and the dictionary are in memory.
final class ColumnCursor {
  /// Levels of the present entry; both 0 at the end.
  private(set) var repetition = 0
  private(set) var definition = 0
  private(set) var isAtEnd = false

  private let leaf: SchemaLeaf
  private let meaning: ValueMeaning
  private let place: String
  private let firstRow: Int
  private var pages: PageSource
  private let valueCount: Int
  private var leftInColumn: Int
  private var leftInPage = 0
  private var rowsStarted = 0
  private var pageOffset: Int
  private let page = PageBuffer()
  private var repetitions = LevelDecoder()
  private var definitions = LevelDecoder()
  private var values: ValueDecoder?
  private var indices: RunDecoder?
  private var dictionary: [JSONValue]?

  /// Starts at the first entry.
  ///
  /// - Parameters:
  ///   - place: file, row group and column, for errors.
  ///   - firstRow: the file's row with which the group begins.
  init(
    leaf: SchemaLeaf, meaning: ValueMeaning, pages: PageSource, valueCount: Int, place: String, firstRow: Int
  ) throws {
    self.leaf = leaf
    self.meaning = meaning
    self.pages = pages
    self.place = place
    self.firstRow = firstRow
    self.valueCount = valueCount
    leftInColumn = valueCount
    pageOffset = pages.offset
    try locating { try step() }
  }

  /// The present entry's value; goes on to the next entry.
  func take() throws -> JSONValue {
    try locating {
      guard definition == leaf.maximumDefinition, !isAtEnd else { throw Self.disagreement }
      let value: JSONValue
      if indices == nil {
        value = try meaning.next(&values!, type: leaf.type)
      } else {
        let index = Int(try indices!.next())
        guard index < dictionary!.count else {
          throw Damage("a value is number \(index) of a dictionary of \(dictionary!.count)")
        }
        value = dictionary![index]
      }
      try step()
      return value
    }
  }

  /// Goes on from an entry that has no value, because something around it is null or empty.
  ///
  /// - Parameter level: the definition level that the entry must stay below.
  func skip(below level: Int) throws {
    try locating {
      guard definition < level, !isAtEnd else { throw Self.disagreement }
      try step()
    }
  }

  static let disagreement = Damage("its levels do not fit those of the columns beside it")

  func failure(_ damage: Damage) -> TregError {
    let row = isAtEnd ? "" : "row \(firstRow + max(0, rowsStarted - 1)), "
    return .badData(at: place, "\(row)page at byte \(pageOffset): \(damage.message)")
  }

  @inline(__always)
  private func locating<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let damage as Damage { throw failure(damage) }
  }

  private func step() throws {
    while leftInPage == 0 {
      guard leftInColumn > 0 else {
        (repetition, definition, isAtEnd) = (0, 0, true)
        return
      }
      try loadPage()
    }
    leftInPage -= 1
    leftInColumn -= 1
    repetition = try repetitions.next()
    definition = try definitions.next()
    if repetition == 0 { rowsStarted += 1 }
  }

  private func loadPage() throws {
    pageOffset = pages.offset
    let header = try pages.header()
    switch PageKind(rawValue: header.kind) {
    case .dictionary: try loadDictionary(header)
    case .data: try loadData(header)
    case .dataV2: try loadDataV2(header)
    case .index, nil: pages.skip(header)
    }
  }

  private func loadDictionary(_ header: PageHeader) throws {
    try header.requireValues()
    guard dictionary == nil else { throw Damage("the column has a second dictionary") }
    guard header.encoding == Encoding.plain.rawValue || header.encoding == Encoding.plainDictionary.rawValue else {
      throw Damage("the dictionary has encoding \(header.encoding), expected PLAIN")
    }
    try pages.read(header, into: page)
    try pages.workspace.hold(min(header.valueCount, header.uncompressedSize) * MemoryLayout<JSONValue>.stride)
    var values = try ValueDecoder(
      UnsafeRawBufferPointer(page.bytes), .plain, type: leaf.type, width: leaf.width)
    var entries: [JSONValue] = []
    for _ in 0..<header.valueCount { entries.append(try meaning.next(&values, type: leaf.type)) }
    dictionary = entries
  }

  private func loadData(_ header: PageHeader) throws {
    try requireFitting(header)
    try pages.read(header, into: page)
    var rest = UnsafeRawBufferPointer(page.bytes)
    repetitions = try levels(&rest, leaf.maximumRepetition, header.valueCount, header.repetitionEncoding)
    definitions = try levels(&rest, leaf.maximumDefinition, header.valueCount, header.definitionEncoding)
    try startValues(rest, header)
  }

  private func levels(
    _ bytes: inout UnsafeRawBufferPointer, _ maximum: Int, _ count: Int, _ encoding: Int
  ) throws -> LevelDecoder {
    if maximum == 0 { return LevelDecoder() }
    return try LevelDecoder(takenFrom: &bytes, maximum: maximum, count: count, encoding: encoding)
  }

  private func loadDataV2(_ header: PageHeader) throws {
    try requireFitting(header)
    let (first, second) = (header.repetitionSize, header.definitionSize)
    guard first >= 0, second >= 0, first <= header.uncompressedSize, second <= header.uncompressedSize - first else {
      throw Damage("its levels claim \(first) and \(second) bytes, it has \(header.uncompressedSize)")
    }
    try pages.read(header, into: page)
    let bytes = UnsafeRawBufferPointer(page.bytes)
    repetitions = levels(bytes[..<first], leaf.maximumRepetition)
    definitions = levels(bytes[first..<(first + second)], leaf.maximumDefinition)
    try startValues(UnsafeRawBufferPointer(rebasing: bytes[(first + second)...]), header)
  }

  private func levels(_ bytes: Slice<UnsafeRawBufferPointer>, _ maximum: Int) -> LevelDecoder {
    maximum == 0 ? LevelDecoder() : LevelDecoder(UnsafeRawBufferPointer(rebasing: bytes), maximum: maximum)
  }

  private func requireFitting(_ header: PageHeader) throws {
    try header.requireValues()
    guard header.valueCount <= leftInColumn else {
      throw Damage("it claims \(header.valueCount) values, \(leftInColumn) of the column's \(valueCount) are left")
    }
  }

  private func startValues(_ bytes: UnsafeRawBufferPointer, _ header: PageHeader) throws {
    leftInPage = header.valueCount
    (values, indices) = (nil, nil)
    guard let encoding = Encoding(rawValue: header.encoding) else {
      throw Damage("its values have the unknown encoding \(header.encoding)")
    }
    guard encoding == .dictionary || encoding == .plainDictionary else {
      // A page of nulls may have no bytes at all, whatever its encoding.
      let isEmpty = bytes.isEmpty && encoding != .plain
      values = try ValueDecoder(bytes, isEmpty ? .plain : encoding, type: leaf.type, width: leaf.width)
      return
    }
    guard dictionary != nil else { throw Damage("its values refer to a dictionary, the column has none") }
    guard let width = bytes.first else {
      indices = RunDecoder(bytes, width: 0)
      return
    }
    guard width <= 32 else { throw Damage("indices of \(width) bits are impossible") }
    indices = RunDecoder(UnsafeRawBufferPointer(rebasing: bytes[1...]), width: Int(width))
  }
}
