import Reporting
import Testing

@Suite struct ListingTests {
  @Test func longTextsGoOnBelow() {
    let listing = Listing([("name", "one two three four five six"), ("", "seven"), ("longer", "")])
    #expect(
      listing.text(width: 28) == """
        name    one two three four
                five six
                seven
        longer
        """)
  }

  @Test func wordsAreNeverCut() {
    let word = String(repeating: "x", count: 50)
    #expect(Listing([("a", "b " + word)]).text(width: 20) == "a  b\n   " + word)
  }
}
