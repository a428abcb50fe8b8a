import ModelDescription
import RunFolder

extension WeightSource {
  /// Reads every tensor of a model into its place in one flat buffer; gaps between tensors become zero.
  ///
  /// Names may lack the `model.` or `transformer.` prefix. A tied model may hold its one matrix under the name of the embedding, of the
  /// output, or of both; two that differ are refused, since it is unclear which was meant.
  ///
  /// - Parameter buffer: `model.bufferCount` elements.
  /// - Throws: ``TregError`` (65) that names the tensor: missing, of another shape, or with a number that is not finite.
  package func load(_ model: ModelDescription, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    precondition(buffer.count == model.bufferCount, "the buffer must hold \(model.bufferCount) elements")
    let stored = try storedNames(of: model)
    var end = 0
    for (parameter, name) in zip(model.parameters, stored) {
      UnsafeMutableBufferPointer(rebasing: buffer[end..<parameter.offset]).update(repeating: 0)
      try readChecked(name, parameter, into: UnsafeMutableBufferPointer(rebasing: buffer[parameter.range]))
      end = parameter.range.upperBound
    }
    UnsafeMutableBufferPointer(rebasing: buffer[end...]).update(repeating: 0)
    try refuseDifferingCopies(in: model)
  }

  /// Checks that a tied model which stores its one matrix twice stores the same numbers.
  func refuseDifferingCopies(in model: ModelDescription) throws {
    guard let (head, embedding) = duplicate(in: model) else { return }
    guard try values(of: head) == values(of: embedding) else {
      throw TregError.badData(
        at: place, "\(head) differs from \(embedding), but config.json says tie_word_embeddings: true")
    }
  }

  /// Reads one tensor of a model, checked as ``load(_:into:)`` checks all.
  package func load(_ parameter: Parameter, of model: ModelDescription, into values: UnsafeMutableBufferPointer<Float>)
    throws
  {
    try readChecked(try storedName(of: parameter, in: model), parameter, into: values)
  }

  /// The names under which this source holds a model's parameters, in their order.
  ///
  /// - Throws: ``TregError`` (65) when one is missing (the first is named, the others counted) or has another shape
  ///   or a type that is not read.
  package func storedNames(of model: ModelDescription) throws -> [String] {
    let absent = model.parameters.filter { found($0, in: model) == nil }
    if let first = absent.first {
      let others = absent.count > 1 ? " and \(absent.count - 1) more" : ""
      throw TregError.badData(at: place, "tensor \(first.name)\(others) is missing; \(names.count) tensors are there")
    }
    return try model.parameters.map { try storedName(of: $0, in: model) }
  }

  /// Tensors that the model does not use, such as buffers that older programs saved.
  package func unusedNames(by model: ModelDescription) throws -> [String] {
    var used = Set(try storedNames(of: model))
    if let (head, embedding) = duplicate(in: model) { used.formUnion([head, embedding]) }
    return names.filter { !used.contains($0) }
  }

  private func storedName(of parameter: Parameter, in model: ModelDescription) throws -> String {
    guard let name = found(parameter, in: model), let shape = shape(of: name) else {
      throw TregError.badData(at: place, "tensor \(parameter.name) is missing")
    }
    guard shape == parameter.storedShape else {
      throw TregError.badData(
        at: place, "tensor \(name) has shape \(shape), expected \(parameter.storedShape) from config.json")
    }
    try requireReadable(name)
    return name
  }

  private func found(_ parameter: Parameter, in model: ModelDescription) -> String? {
    let candidates =
      Self.spellings(of: parameter.name)
      + (parameter.role == .embedding && model.tiesEmbeddings ? ["lm_head.weight"] : [])
    return candidates.first { shape(of: $0) != nil }
  }

  private static func spellings(of name: String) -> [String] {
    for prefix in ["model.", "transformer."] where name.hasPrefix(prefix) {
      return [name, String(name.dropFirst(prefix.count))]
    }
    return [name, "model." + name]
  }

  /// The output matrix and the embedding of a tied model that stores both.
  private func duplicate(in model: ModelDescription) -> (head: String, embedding: String)? {
    guard model.tiesEmbeddings, let parameter = model.parameters.first(where: { $0.role == .embedding }),
      let embedding = Self.spellings(of: parameter.name).first(where: { shape(of: $0) != nil }),
      let head = Self.spellings(of: "lm_head.weight").first(where: { shape(of: $0) == parameter.shape })
    else { return nil }
    return (head, embedding)
  }

  private func readChecked(_ name: String, _ parameter: Parameter, into values: UnsafeMutableBufferPointer<Float>)
    throws
  {
    var span = values.mutableSpan
    try read(name, into: &span)
    if let index = Conversion.firstNonFinite(UnsafeBufferPointer(values)) {
      throw TregError.badData(
        at: place, "tensor \(name) holds \(values[index]) at element \(index), expected finite weights")
    }
    if parameter.isStoredTransposed { Transposition.unstore(values, parameter) }
  }
}
