/// What other programs call what we have: names that no spelling leads to.
enum OtherNames {
  /// What to write instead of a name; nil: nothing is known.
  static func advice(on name: String) -> String? {
    if let key = keys[name] { return "here it is \(key)" }
    guard ranks.contains(name) else { return nil }
    return "ranks are started around treg: `mpirun -np N treg …` or `treg-launch --nproc-per-node N …`"
  }

  private static let keys = [
    "lr": "learning_rate", "batch_size": "global_batch_size", "epochs": "num_train_epochs",
    "num_epochs": "num_train_epochs", "loss": "loss_type", "objective": "loss_type", "mixed_precision": "weights",
    "dtype": "weights or save_dtype", "config_file": "--config", "train_file": "data", "scheduler": "lr_scheduler_type",
    "nthreads": "threads", "num_threads": "threads",
  ]

  private static let ranks: Set<String> = [
    "ranks", "np", "nproc", "nproc_per_node", "num_processes", "num_machines", "nnodes", "world_size", "hostfile",
  ]
}
