/// What turns words into tokens.
enum TokenModel: Sendable {
  case bytePair(BytePairModel)
  case unigram(UnigramModel)
}
