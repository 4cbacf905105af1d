/* SPDX-License-Identifier: Apache-2.0 */
/* Places found in any text lie inside of it, in order, and a value put in at its place is read back
 * from there. */
#include "base/check.h"
#include "hook/config_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_main_cf(struct str file) {
    size_t at = 0;
    size_t before = 0;
    struct str name;
    struct main_cf_value value;
    struct main_cf_value found;
    while (main_cf_next(file, &at, &name, &value)) {
        CHECK(value.line_start >= before && value.start > value.line_start);
        CHECK(value.end >= value.start && value.line_end >= value.end);
        CHECK(value.line_end <= file.length && at == value.line_end);
        CHECK(main_cf_find(file, name, &found) && found.line_start >= value.line_start);
        before = value.line_end;
    }
}

static void read_options(struct str file, const struct master_service *service) {
    size_t at = service->options;
    size_t before = at;
    struct master_option option;
    struct master_option found;
    while (master_option_next(file, service, &at, &option)) {
        CHECK(option.whole_start >= before && option.start > option.whole_start);
        CHECK(option.end >= option.start && option.whole_end >= option.end);
        CHECK(option.whole_end <= service->end);
        CHECK(master_option_find(file, service, option.name, &found));
        CHECK(found.start >= option.start);
        before = option.whole_end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    const struct str file = {(const char *)bytes, length};
    if (length > 4096) {
        return 0; /* Every option is looked up again: quadratic. */
    }
    read_main_cf(file);
    size_t at = 0;
    struct master_service service;
    struct master_service found;
    while (master_cf_next(file, &at, &service)) {
        CHECK(service.end <= file.length && service.options <= service.end);
        CHECK(service.command.length > 0);
        CHECK(master_cf_find(file, service.name, service.type, &found));
        read_options(file, &service);
    }
    return 0;
}
