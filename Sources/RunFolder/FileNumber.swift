/// Numbers in file names, padded so that names sort as numbers do.
package enum FileNumber {
  /// At least five digits: `00007`.
  package static func text(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }

  /// One of several: `00003-of-00008`.
  package static func text(_ number: Int, of count: Int) -> String { "\(text(number))-of-\(text(count))" }
}
