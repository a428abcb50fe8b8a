#ifndef CMPI_H
#define CMPI_H
typedef struct cmpi_table { int version; } cmpi_table;
#endif
