#pragma once

#include <cstdint>

#include "base/dtype.h"

// Loops over lines: `count` of them, of `size` elements; the elements of a line are `step` apart
// in `data`. Results are dense, line after line. NaN is larger than everything.
namespace chainrule::cpu {

struct SortLines {
    const char* data;
    const int64_t* starts;  // in elements
    int64_t count;
    int64_t size;
    int64_t step;  // in elements
};

// The first `keep` of each line in order; equal elements stay in the order they had.
void sort_lines(DType dtype, const SortLines& lines, int64_t keep, bool descending, char* values,
                int64_t* indices);

// Of each of n values the first place in its sorted line that is not below it (or, with `right`,
// above it). All values share one line, or there are `lines` lines with n / lines values each.
void search_lines(DType dtype, const char* sorted, const int64_t* order, int64_t lines,
                  int64_t size, const char* values, int64_t n, bool right, int64_t* out);

}  // namespace chainrule::cpu
