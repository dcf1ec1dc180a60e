#include "stage.h"

static const struct {
    int number;
    const char *words;
} features[] = {
#define FEATURE_ROW(name, number, words) {number, words},
    FEATURE_TABLE(FEATURE_ROW)
#undef FEATURE_ROW
};

enum status stage_lacks(enum feature feature, struct error *error) {
    return error_set(error, STATUS_UNSUPPORTED,
                     "stage %02d has no %s, it comes with stage %02d", stage.number,
                     features[feature].words, features[feature].number);
}

bool stage_has(enum feature feature) {
    return stage.number >= features[feature].number;
}
