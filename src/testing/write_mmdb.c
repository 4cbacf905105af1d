/* SPDX-License-Identifier: Apache-2.0 */
/* write_mmdb FILE TYPE BUILT_S flat|nested NETWORK=COUNTRY[,ASN]...: a small database for tests
 * that are programs. Never installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "testing/mmdb_writer.h"

enum { ROWS_MAX = 64, FIRST_ROW = 5 };

static struct mmdb_row parse_row(char *argument) {
    struct mmdb_row row = {.network = argument};
    char *country = strchr(argument, '=');
    CHECK(country != NULL);
    *country++ = '\0';
    char *asn = strchr(country, ',');
    if (asn != NULL) {
        *asn++ = '\0';
        row.asn = (uint32_t)strtoul(asn, NULL, 10);
    }
    row.country = country;
    return row;
}

int main(int argc, char **argv) {
    static unsigned char bytes[MMDB_FILE_MAX];
    struct mmdb_row rows[ROWS_MAX];
    CHECK(argc >= FIRST_ROW && argc - FIRST_ROW <= ROWS_MAX);
    struct mmdb_file file = {
        .type = argv[2],
        .built_s = strtoull(argv[3], NULL, 10),
        .shape = strcmp(argv[4], "flat") == 0 ? MMDB_SHAPE_FLAT : MMDB_SHAPE_NESTED,
        .rows = rows,
    };
    for (int i = FIRST_ROW; i < argc; i++) {
        rows[file.row_count++] = parse_row(argv[i]);
    }
    const size_t length = mmdb_write(&file, bytes);
    FILE *out = fopen(argv[1], "wb");
    CHECK(out != NULL && fwrite(bytes, 1, length, out) == length && fclose(out) == 0);
    return 0;
}
