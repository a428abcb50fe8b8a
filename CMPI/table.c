#include "internal.h"

// Named by CMPI_TABLE_SYMBOL; everything else of the shim is hidden.
extern const cmpi_table cmpi_table_v1;
__attribute__((visibility("default"))) const cmpi_table cmpi_table_v1 = {
    .version = CMPI_TABLE_VERSION,
    .show_pulse = cmpi_show_pulse,
    .library_name = cmpi_library_name,
    .initialize = cmpi_initialize,
    .finalize = cmpi_finalize,
    .rank = cmpi_rank,
    .size = cmpi_size,
    .host = cmpi_host,
    .barrier = cmpi_barrier,
    .abort = cmpi_abort,
    .all_reduce = cmpi_all_reduce,
    .start_all_reduce = cmpi_start_all_reduce,
    .test = cmpi_test,
    .wait = cmpi_wait,
    .broadcast = cmpi_broadcast,
    .tree_reduce_scatter = cmpi_tree_reduce_scatter,
    .all_gather = cmpi_all_gather,
    .all_to_all_int64 = cmpi_all_to_all_int64,
    .all_to_all_bytes = cmpi_all_to_all_bytes,
    .open_hosts = cmpi_open_hosts,
    .open_stream = cmpi_open_stream,
    .extend_stream = cmpi_extend_stream,
    .expected_of_stream = cmpi_expected_of_stream,
    .await_stream = cmpi_await_stream,
    .advance_stream = cmpi_advance_stream,
    .finish_stream = cmpi_finish_stream,
    .close_stream = cmpi_close_stream,
};
