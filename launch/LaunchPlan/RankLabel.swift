/// How ranks' lines are marked by the program that forwards them, so that each can be told whose it is.
package enum RankLabel: Sendable, Equatable {
  /// `[1,7]<stderr>:text`, by `mpirun --tag-output`: job and rank.
  case openMPI
  /// `[7] text`, by `mpirun -prepend-rank`.
  case mpich
  /// `7: text`, by `srun --label`; the number may have blanks before it.
  case srun

  package struct Piece: Sendable, Equatable {
    /// nil: said by the starting program itself.
    package let rank: Int?
    package let text: String

    package init(rank: Int?, text: String) {
      self.rank = rank
      self.text = text
    }
  }

  /// A line's pieces: one, but for Open MPI, which begins a new label in the midst of a line when ranks leave theirs open.
  package func pieces(of line: String) -> [Piece] {
    switch self {
    case .openMPI:
      var pieces: [Piece] = []
      var rest = line[...]
      var rank: Int?
      for match in line.matches(of: #/\[\d+,(\d+)\]<std(?:out|err|diag)>:/#) {
        let text = rest[rest.startIndex..<match.range.lowerBound]
        if rank != nil || !text.isEmpty { pieces.append(Piece(rank: rank, text: String(text))) }
        rank = Int(match.1)
        rest = line[match.range.upperBound...]
      }
      return pieces + [Piece(rank: rank, text: String(rest))]
    case .mpich:
      guard let match = line.prefixMatch(of: #/\[(\d+)\] /#) else { return [Piece(rank: nil, text: line)] }
      return [Piece(rank: Int(match.1), text: String(line[match.range.upperBound...]))]
    case .srun:
      guard let match = line.prefixMatch(of: #/ *(\d+): /#) else { return [Piece(rank: nil, text: line)] }
      return [Piece(rank: Int(match.1), text: String(line[match.range.upperBound...]))]
    }
  }
}
