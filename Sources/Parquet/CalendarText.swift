/// Dates, times and identifiers as people write them (ISO 8601, RFC 9562).
enum CalendarText {
  /// `YYYY-MM-DD` of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
  static func date(_ day: Int) -> String {
    // Years that start in March have their leap day at the end; 400 of them have 146,097 days.
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * month + 2) / 5 + 1
    let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
    let sign = year < 0 ? "-" : ""
    return "\(sign)\(padded(abs(year), 4))-\(padded(month < 10 ? month + 3 : month - 9, 2))-\(padded(dayOfMonth, 2))"
  }

  /// `hh:mm:ss`, and as many digits behind the second as the unit has.
  static func time(_ count: Int, _ unit: LogicalType.Unit) -> String {
    let (second, fraction) = count.quotientAndRemainder(dividingBy: unit.perSecond)
    return padded(second / 3600, 2) + ":" + padded(second / 60 % 60, 2) + ":" + padded(second % 60, 2) + "."
      + padded(fraction, unit.digits)
  }

  static func timestamp(_ count: Int, _ unit: LogicalType.Unit) -> String {
    let perDay = 86_400 * unit.perSecond
    var (day, rest) = count.quotientAndRemainder(dividingBy: perDay)
    if rest < 0 {
      day -= 1
      rest += perDay
    }
    return date(day) + "T" + time(rest, unit)
  }

  /// A timestamp of 12 bytes: nanoseconds of the day, then the Julian day, whose number is 2,440,588 on 1970-01-01.
  static func julian(_ bytes: UnsafeRawBufferPointer) throws -> String {
    let rest = Int64(littleEndian: bytes.loadUnaligned(as: Int64.self))
    let day = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    guard rest >= 0, rest < 86_400_000_000_000 else { throw Damage("\(rest) nanoseconds are no time of a day") }
    return date(Int(day) - 2_440_588) + "T" + time(Int(rest), .nanoseconds)
  }

  static func uuid(_ bytes: UnsafeRawBufferPointer) -> String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }

  private static func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
