import OrderedCollections

/// The members of a JSON object, in the order they were written.
///
/// Names are compared byte by byte, as RFC 8259 section 8.3 advises and Python does. Swift's strings compare by canonical
/// equivalence, which would merge "Å" (U+00C5) and "Å" (U+212B): two tokens of one vocabulary.
package struct JSONObject: Hashable, Sendable {
  private struct Name: Hashable, Sendable {
    let text: String

    static func == (left: Name, right: Name) -> Bool {
      left.text.utf8.count == right.text.utf8.count && left.text.utf8.elementsEqual(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
      var text = text
      text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
  }

  private var members: OrderedDictionary<Name, JSONValue>

  package init(minimumCapacity: Int = 0) {
    members = OrderedDictionary(minimumCapacity: minimumCapacity)
  }

  /// The value under a name; setting nil removes the member, setting another value keeps its place.
  package subscript(name: String) -> JSONValue? {
    get { members[Name(text: name)] }
    set { members[Name(text: name)] = newValue }
  }

  /// Sets the value of the member at a position, without looking its name up.
  package mutating func setValue(_ value: JSONValue, at position: Int) { members.values[position] = value }

  package var keys: [String] { members.keys.map(\.text) }

  package var values: [JSONValue] { members.values.elements }
}

extension JSONObject: RandomAccessCollection {
  package typealias Element = (key: String, value: JSONValue)

  package var startIndex: Int { 0 }
  package var endIndex: Int { members.count }

  package subscript(position: Int) -> Element {
    let (name, value) = members.elements[position]
    return (name.text, value)
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// Of a repeated name the last value counts.
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self.init(minimumCapacity: elements.count)
    for (name, value) in elements { self[name] = value }
  }
}
