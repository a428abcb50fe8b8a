import OrderedJSON

/// The fields of a row, built from the footer's flat list.
///
/// Lists and maps are recognised in their present form and in the older ones that the format's page "LogicalTypes" lists
/// under "Backward-compatibility rules". A repeated field without annotation is a list.
struct Schema: Sendable {
  let fields: [SchemaNode]
  let leaves: [SchemaLeaf]

  init(_ elements: [FileMetadata.SchemaElement]) throws {
    guard let root = elements.first, root.type == nil else { throw Damage("the schema has no root") }
    var builder = SchemaBuilder(elements: elements)
    fields = try builder.fields(of: root, definition: 0, repetition: 0)
    guard builder.position == elements.count else {
      throw Damage("the schema lists \(elements.count) elements, its root reaches \(builder.position)")
    }
    leaves = builder.leaves
  }
}

private struct SchemaBuilder {
  typealias Element = FileMetadata.SchemaElement

  let elements: [Element]
  var position = 1
  var leaves: [SchemaLeaf] = []
  private var path: [String] = []

  init(elements: [Element]) { self.elements = elements }

  private func peek() throws -> Element {
    guard position < elements.count else { throw Damage("the schema ends before the last field of a group") }
    return elements[position]
  }

  /// Takes the next element and builds what `body` makes of it, with its name on the path.
  private mutating func taking<Result>(_ body: (inout SchemaBuilder, Element) throws -> Result) throws -> Result {
    let element = try peek()
    guard element.repetition != nil else {
      throw Damage("the field \(SchemaLeaf.printable(element.name)) has no repetition")
    }
    position += 1
    path.append(element.name)
    guard path.count <= ParquetLimits.depth else {
      throw Damage("fields are nested deeper than \(ParquetLimits.depth)")
    }
    let result = try body(&self, element)
    path.removeLast()
    return result
  }

  mutating func fields(of group: Element, definition: Int, repetition: Int) throws -> [SchemaNode] {
    guard group.childCount > 0 else { throw Damage("the group \(SchemaLeaf.printable(group.name)) has no fields") }
    var names: Set<ByteName> = []
    var fields: [SchemaNode] = []
    for _ in 0..<group.childCount {
      let field = try field(definition: definition, repetition: repetition)
      guard names.insert(ByteName(field.name)).inserted else {
        throw Damage("two fields are named \(SchemaLeaf.printable(field.name))")
      }
      fields.append(field)
    }
    return fields
  }

  /// The next field of a group that is present from `definition` on.
  private mutating func field(definition: Int, repetition: Int) throws -> SchemaNode {
    try taking { builder, element in
      switch element.repetition! {
      case .required: try builder.content(element, definition: definition, repetition: repetition, isOptional: false)
      case .optional: try builder.content(element, definition: definition + 1, repetition: repetition, isOptional: true)
      case .repeated: try builder.bareList(element, definition: definition, repetition: repetition)
      }
    }
  }

  private mutating func bareList(_ element: Element, definition: Int, repetition: Int) throws -> SchemaNode {
    let item = try content(element, definition: definition + 1, repetition: repetition + 1, isOptional: false)
    return SchemaNode(
      name: element.name, isOptional: false, definition: definition,
      shape: .list(item, definition: definition + 1, repetition: repetition + 1), leaves: item.leaves)
  }

  /// What an element is once it is present.
  private mutating func content(
    _ element: Element, definition: Int, repetition: Int, isOptional: Bool
  ) throws -> SchemaNode {
    let first = leaves.count
    let shape = try shape(of: element, definition: definition, repetition: repetition)
    return SchemaNode(
      name: element.name, isOptional: isOptional, definition: definition, shape: shape, leaves: first..<leaves.count)
  }

  private mutating func shape(of element: Element, definition: Int, repetition: Int) throws -> SchemaNode.Shape {
    if let type = element.type {
      guard element.childCount == 0 else {
        throw Damage("the field \(SchemaLeaf.printable(element.name)) has both a type and fields")
      }
      appendLeaf(element, type, definition: definition, repetition: repetition)
      return .value
    }
    switch element.logical {
    case .list: return try listShape(of: element, definition: definition + 1, repetition: repetition + 1)
    case .map: return try mapShape(of: element, definition: definition + 1, repetition: repetition + 1)
    default:
      let fields = try fields(of: element, definition: definition, repetition: repetition)
      var template = JSONObject(minimumCapacity: fields.count)
      for field in fields { template[field.name] = .null }
      return .object(template, fields)
    }
  }

  private mutating func appendLeaf(_ element: Element, _ type: PhysicalType, definition: Int, repetition: Int) {
    let width = type == .fixedLengthByteArray ? element.typeLength ?? 0 : nil
    let meaning = Result { () throws(Damage) in
      if let width, !(1...ParquetLimits.pageByteCount).contains(width) {
        throw Damage("fixed-length values have \(width) bytes")
      }
      return try ValueMeaning(type: type, logical: element.logical, width: width ?? 0)
    }
    leaves.append(
      SchemaLeaf(
        path: path, type: type, width: width, meaning: meaning, maximumDefinition: definition,
        maximumRepetition: repetition))
  }

  private func requireRepeated(in group: Element) throws -> Element {
    guard group.childCount == 1, case let repeated = try peek(), repeated.repetition == .repeated else {
      throw Damage("the list or map \(SchemaLeaf.printable(group.name)) must hold one repeated field")
    }
    return repeated
  }

  /// - Parameters: levels of an element.
  private mutating func listShape(of group: Element, definition: Int, repetition: Int) throws -> SchemaNode.Shape {
    let repeated = try requireRepeated(in: group)
    let item = try taking { builder, _ in
      try builder.isItem(repeated, of: group)
        ? builder.content(repeated, definition: definition, repetition: repetition, isOptional: false)
        : builder.field(definition: definition, repetition: repetition)
    }
    return .list(item, definition: definition, repetition: repetition)
  }

  /// Whether the repeated field of a list is itself an element, as old writers had it, and not a wrapper around one.
  private func isItem(_ repeated: Element, of list: Element) throws -> Bool {
    if repeated.type != nil || repeated.childCount != 1 { return true }
    if repeated.name == "array" || repeated.name == list.name + "_tuple" { return true }
    return try peek().repetition == .repeated
  }

  private mutating func mapShape(of group: Element, definition: Int, repetition: Int) throws -> SchemaNode.Shape {
    let repeated = try requireRepeated(in: group)
    guard repeated.type == nil, (1...2).contains(repeated.childCount) else {
      throw Damage("the entries of the map \(SchemaLeaf.printable(group.name)) must have a key and a value")
    }
    return try taking { builder, _ in
      let key = try builder.field(definition: definition, repetition: repetition)
      // A map without values is a set.
      if repeated.childCount == 1 { return .list(key, definition: definition, repetition: repetition) }
      let value = try builder.field(definition: definition, repetition: repetition)
      return .map(
        key: key, value: value, hasTextKeys: builder.isText(key), definition: definition, repetition: repetition)
    }
  }

  private func isText(_ node: SchemaNode) -> Bool {
    guard case .value = node.shape, case .success(let meaning) = leaves[node.leaves.lowerBound].meaning else {
      return false
    }
    return meaning.isText
  }
}

/// A name by its bytes: strings compare by canonical equivalence, and two such names are two columns.
struct ByteName: Hashable {
  private let bytes: [UInt8]

  init(_ name: String) { bytes = Array(name.utf8) }
}
