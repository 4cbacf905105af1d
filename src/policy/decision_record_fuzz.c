/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "policy/decision_record.h"

/* Any bytes may stand in a journal segment: decoding them never leaves the bytes, and what was
 * decoded encodes to a record that decodes and encodes to itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t encode(const struct decision_record *record, unsigned char *out) {
    return decision_record_encode(&record->request, record->identity, &record->facts,
                                  record->generation, record->wall_ns, record->duration_us,
                                  &record->decision, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct decision_record first;
    static struct decision_record second;
    static unsigned char once[DECISION_RECORD_MAX];
    static unsigned char twice[DECISION_RECORD_MAX];
    struct effect effects[EFFECTS_MAX];
    size_t count;
    struct str why;
    (void)effects_record_decode(data, size, effects, &count, &why);
    if (size > DECISION_RECORD_MAX ||
        !decision_record_decode(data, size, DECISION_RECORD_VERSION, &first)) {
        return 0;
    }
    const size_t once_length = encode(&first, once);
    CHECK(decision_record_decode(once, once_length, DECISION_RECORD_VERSION, &second));
    const size_t twice_length = encode(&second, twice);
    CHECK(once_length == twice_length && memcmp(once, twice, once_length) == 0);
    return 0;
}
