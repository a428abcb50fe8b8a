/// Numbers of parquet.thrift that say how bytes are meant; unknown ones are kept, to be named when they matter.

/// How a value is stored ("Types" of the format).
enum PhysicalType: Int {
  case boolean = 0
  case int32, int64, int96, float, double, byteArray, fixedLengthByteArray

  /// Bytes of a value; nil when that differs from value to value or is given by the schema.
  var byteCount: Int? {
    switch self {
    case .int32, .float: 4
    case .int64, .double: 8
    case .int96: 12
    case .boolean, .byteArray, .fixedLengthByteArray: nil
    }
  }
}

enum Repetition: Int {
  case required = 0
  case optional, repeated
}

enum Codec: Int {
  case uncompressed = 0
  case snappy, gzip, lzo, brotli, lz4, zstd, lz4Raw

  var name: String {
    switch self {
    case .uncompressed: "UNCOMPRESSED"
    case .snappy: "SNAPPY"
    case .gzip: "GZIP"
    case .lzo: "LZO"
    case .brotli: "BROTLI"
    case .lz4: "LZ4"
    case .zstd: "ZSTD"
    case .lz4Raw: "LZ4_RAW"
    }
  }
}

enum Encoding: Int {
  case plain = 0
  case plainDictionary = 2
  case runLength, bitPacked, deltaBinaryPacked, deltaLengthByteArray, deltaByteArray, dictionary, byteStreamSplit
}

enum PageKind: Int {
  case data = 0
  case index, dictionary, dataV2
}
