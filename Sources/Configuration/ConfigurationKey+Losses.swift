extension ConfigurationKey {
  /// Keys that single losses read; `docs/OBJECTIVES.md` says which.
  static let losses = ConfigurationSection(
    title: "Options of single losses",
    keys: [
      ConfigurationKey(
        "rpo_alpha", \.rpoAlpha, .orNull(.number("a number of at least 0") { $0 >= 0 }), .trajectory,
        "adds the chosen response's negative log-likelihood, so weighted, to any loss"),
      ConfigurationKey(
        "use_weighting", \.useWeighting, .flag, .trajectory,
        "true: pairs count by how likely the policy itself would write them"),
      ConfigurationKey(
        "ld_alpha", \.ldAlpha, .orNull(.number("a number from 0 to 1") { $0 >= 0 && $0 <= 1 }), .trajectory,
        "what tokens beyond the shorter response's length count; null: as much as all others"),
      ConfigurationKey(
        "ipo_reduction", \.ipoReduction, .choice, .trajectory, "mean, as in TRL, or sum: IPO over a response's tokens"),
      ConfigurationKey(
        "discopop_tau", \.discopopTau, .number("a number above 0") { $0 > 0 }, .trajectory, "discopop's temperature"),
      ConfigurationKey(
        "cpo_alpha", \.cpoAlpha, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "the weight of cpo's negative log-likelihood"),
      ConfigurationKey(
        "tdpo_alpha", \.tdpoAlpha, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "the weight of tdpo2's divergence from the reference"),
      ConfigurationKey(
        "sepo_ratio", \.sepoRatio, .number("a number above 0, at most 1") { $0 > 0 && $0 <= 1 }, .trajectory,
        "the share of tokens that sepo trains"),
      ConfigurationKey(
        "sepo_scale", \.sepoScale, .number("a number above 0") { $0 > 0 }, .trajectory,
        "what sepo's margin is scaled by"),
      ConfigurationKey(
        "tis_weights", \.tisWeights, .choice, .trajectory,
        "exponential, as in TIS-DPO's paper, or rank, as in its code: token weights"),
      ConfigurationKey(
        "tis_scale", \.tisScale, .number("a number above 0") { $0 > 0 }, .trajectory,
        "what tis_dpo's weights are scaled by"),
      ConfigurationKey(
        "tis_mu", \.tisMu, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "the exponent of tis_dpo's weights"),
      ConfigurationKey(
        "tis_lower", \.tisLower, .number("a number") { _ in true }, .trajectory,
        "the smallest log ratio that tis_dpo's weights tell apart"),
      ConfigurationKey(
        "tis_upper", \.tisUpper, .number("a number") { _ in true }, .trajectory,
        "the largest log ratio that tis_dpo's weights tell apart"),
      ConfigurationKey(
        "tis_kl", \.tisKL, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "the weight of tis_dpo's divergence from the reference; 0: none"),
      ConfigurationKey(
        "tgdpo_alpha", \.tgdpoAlpha, .number("a number of at least 0") { $0 >= 0 }, .trajectory,
        "what token rewards count in tgdpo"),
      ConfigurationKey(
        "d2po_gamma", \.d2poGamma, .number("a number above 0, at most 1") { $0 > 0 && $0 <= 1 }, .trajectory,
        "what each token counts of the one before in d2po"),
    ])
}
