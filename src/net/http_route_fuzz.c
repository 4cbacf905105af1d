/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/http_route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the target: no read or write beyond it, and every slice stays inside. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *target = malloc(size + 1);
    CHECK(target != NULL);
    if (size > 0) {
        memcpy(target, data, size);
    }
    target[size] = '\0';
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    struct http_target parsed;
    if (http_target_parse(target, &parsed, &problem)) {
        for (size_t i = 0; i < parsed.parameter_count; i++) {
            const struct str value = parsed.parameters[i].value;
            CHECK(value.data >= target && value.data + value.length <= target + size);
        }
    }
    free(target);
    return 0;
}
