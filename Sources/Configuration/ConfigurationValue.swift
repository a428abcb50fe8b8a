/// A value as users write it in a file or on the command line, before a key gives it a type.
///
/// Numbers stay text until then: YAML 1.1 would read `5e-7` as a string, and a shell has only strings.
enum ConfigurationValue: Sendable, Equatable {
  case null
  case text(String)
  case list([ConfigurationValue])
  /// A mapping, which no key takes.
  case mapping

  /// Unquoted text: the words for nothing become ``null``.
  init(plain text: String) {
    self = ["", "~", "null", "Null", "NULL", "none", "None"].contains(text) ? .null : .text(text)
  }

  /// The value as messages show it.
  var shown: String {
    switch self {
    case .null: "null"
    case .text(let text): "\"\(text)\""
    case .list(let elements): "[" + elements.map(\.shown).joined(separator: ", ") + "]"
    case .mapping: "a mapping"
    }
  }

  var isNull: Bool { self == .null }
}

/// How one type of value is read, written and described.
struct ValueKind<Value: Sendable>: Sendable {
  /// What messages expect: "a number above 0".
  let expectation: String
  /// Whether a flag of this kind takes several words.
  let isList: Bool
  /// nil when the value does not fit.
  let read: @Sendable (ConfigurationValue) -> Value?
  let write: @Sendable (Value) -> ConfigurationValue
}

extension ValueKind {
  /// What `kind` takes, or null.
  static func orNull<Wrapped>(_ kind: ValueKind<Wrapped>) -> ValueKind where Value == Wrapped? {
    ValueKind(
      expectation: kind.expectation + " or null", isList: kind.isList,
      read: { value in
        if value.isNull { return .some(nil) }
        return kind.read(value).map(Optional.some)
      },
      write: { value in value.map(kind.write) ?? .null })
  }
}

extension ValueKind<String> {
  static let text = ValueKind(
    expectation: "text", isList: false,
    read: { value in
      guard case .text(let text) = value, !text.isEmpty else { return nil }
      return text
    },
    write: { $0.isEmpty ? .null : .text($0) })
}

extension ValueKind<[String]> {
  /// One or several texts. Null and the empty list are no text when `mayBeEmpty`.
  static func texts(_ expectation: String, mayBeEmpty: Bool = false) -> ValueKind {
    ValueKind(
      expectation: expectation, isList: true,
      read: { value in
        let elements: [ConfigurationValue]
        switch value {
        case .null: elements = []
        case .text: elements = [value]
        case .list(let list): elements = list
        case .mapping: return nil
        }
        if elements.isEmpty { return mayBeEmpty ? [] : nil }
        let texts = elements.compactMap(ValueKind<String>.text.read)
        return texts.count == elements.count ? texts : nil
      },
      write: { texts in
        if texts.isEmpty { return .null }
        return texts.count == 1 ? .text(texts[0]) : .list(texts.map { .text($0) })
      })
  }
}

extension ValueKind<Double> {
  /// A finite number for which `holds`.
  static func number(_ expectation: String, _ holds: @escaping @Sendable (Double) -> Bool) -> ValueKind {
    ValueKind(
      expectation: expectation, isList: false,
      read: { value in
        guard case .text(let text) = value, let number = NumberText.number(text), holds(number) else { return nil }
        return number
      },
      write: { .text(NumberText.text(of: $0)) })
  }
}

extension ValueKind<[Double]> {
  static func numbers(_ expectation: String, _ holds: @escaping @Sendable (Double) -> Bool) -> ValueKind {
    let single = ValueKind<Double>.number(expectation, holds)
    return ValueKind(
      expectation: expectation, isList: true,
      read: { value in
        let elements: [ConfigurationValue]
        if case .list(let list) = value { elements = list } else { elements = [value] }
        let numbers = elements.compactMap(single.read)
        return numbers.count == elements.count && !numbers.isEmpty ? numbers : nil
      },
      write: { .list($0.map(single.write)) })
  }
}

extension ValueKind<Int> {
  /// A whole number for which `holds`; `1e3` is one.
  static func integer(_ expectation: String, _ holds: @escaping @Sendable (Int) -> Bool) -> ValueKind {
    ValueKind(
      expectation: expectation, isList: false,
      read: { value in
        guard case .text(let text) = value, let number = NumberText.integer(text), holds(number) else { return nil }
        return number
      },
      write: { .text(String($0)) })
  }
}

extension ValueKind<Int> {
  /// Bytes, in units of ten as transformers counts: `5GB`, `500MB`.
  static let size = ValueKind(
    expectation: "a size such as 5GB or 500MB", isList: false,
    read: { value in
      guard case .text(let text) = value else { return nil }
      let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1), ("", 1)]
      let (unit, factor) = units.first { text.uppercased().hasSuffix($0.0) }!
      let digits = text.dropLast(unit.count).filter { $0 != " " }
      guard let number = NumberText.number(digits), number > 0,
        let bytes = Int(exactly: (number * Double(factor)).rounded()), bytes > 0
      else { return nil }
      return bytes
    },
    write: { bytes in
      for (unit, factor) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000)] where bytes % factor == 0 {
        return .text("\(bytes / factor)\(unit)")
      }
      return .text("\(bytes)B")
    })
}

extension ValueKind<Bool> {
  static let flag = ValueKind(
    expectation: "true or false", isList: false,
    read: { value in
      guard case .text(let text) = value else { return nil }
      return ["true": true, "false": false][text.lowercased()]
    },
    write: { .text($0 ? "true" : "false") })
}

extension ValueKind<RunConfiguration.Automatic> {
  static let automaticCount = ValueKind(
    expectation: "auto or a whole number above 0", isList: false,
    read: { value in
      guard case .text(let text) = value else { return nil }
      if text == "auto" { return .automatic }
      guard let count = NumberText.integer(text), count > 0 else { return nil }
      return .count(count)
    },
    write: { value in
      switch value {
      case .automatic: .text("auto")
      case .count(let count): .text(String(count))
      }
    })
}

extension ValueKind where Value: RawRepresentable<String> & CaseIterable {
  /// A choice between number formats, whose short names are understood too.
  static var numberType: ValueKind {
    let short = ["fp32": "float32", "float": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16"]
    return ValueKind(
      expectation: choice.expectation, isList: false,
      read: { value in
        guard case .text(let text) = value else { return nil }
        // As torch prints them.
        let name = text.lowercased().replacing("torch.", with: "")
        return Value(rawValue: short[name] ?? name)
      },
      write: { .text($0.rawValue) })
  }

  static var choice: ValueKind {
    ValueKind(
      expectation: Value.allCases.map(\.rawValue).joined(separator: ", "), isList: false,
      read: { value in
        guard case .text(let text) = value else { return nil }
        return Value(rawValue: text)
      },
      write: { .text($0.rawValue) })
  }
}
