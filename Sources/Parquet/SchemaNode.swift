import OrderedJSON

/// A field of a row and what is inside it, with the levels that tell where it is present.
///
/// Levels are those of Dremel (Melnik et al., 2010): a definition level counts how many optional and repeated fields on the
/// path to a value are present, a repetition level which repeated field on the path goes on.
final class SchemaNode: Sendable {
  enum Shape: Sendable {
    case value
    /// The names, with nothing under them yet, and a field for each.
    case object(JSONObject, [SchemaNode])
    /// An element exists from `definition` on; another one follows at `repetition`.
    case list(SchemaNode, definition: Int, repetition: Int)
    /// Entries as the elements of a list; with text for keys they are the members of an object.
    case map(key: SchemaNode, value: SchemaNode, hasTextKeys: Bool, definition: Int, repetition: Int)
  }

  let name: String
  let isOptional: Bool
  /// The definition level from which the field is not null.
  let definition: Int
  let shape: Shape
  /// Its leaves among all of the file.
  let leaves: Range<Int>

  init(name: String, isOptional: Bool, definition: Int, shape: Shape, leaves: Range<Int>) {
    self.name = name
    self.isOptional = isOptional
    self.definition = definition
    self.shape = shape
    self.leaves = leaves
  }
}

/// A column as it is stored: a leaf of the schema.
struct SchemaLeaf: Sendable {
  let path: [String]
  let type: PhysicalType
  /// Bytes of a fixed-length value.
  let width: Int?
  /// Fails for a column that cannot be read, when it is asked for.
  let meaning: Result<ValueMeaning, Damage>
  let maximumDefinition: Int
  let maximumRepetition: Int

  /// Its path in one line, for messages.
  var name: String { path.map(SchemaLeaf.printable).joined(separator: ".") }

  /// A name with what would break a line escaped.
  static func printable(_ name: String) -> String {
    name.unicodeScalars.reduce(into: "") { text, scalar in
      let isSafe = scalar.properties.generalCategory != .control && !scalar.properties.isWhitespace || scalar == " "
      text += isSafe ? String(scalar) : scalar.escaped(asASCII: true)
    }
  }
}
