extension RunConfiguration {
  /// Names of the held-out pairs: `eval_data`, or another split of `data`; empty: there are none.
  package var heldData: [String] { evalData.isEmpty && evalSplit != nil ? data : evalData }
}
