#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "base/error.h"

// Loops that read and write by index. All offsets are in bytes.
namespace chainrule::cpu {

// Memory seen as [outer][count][inner] elements: element (o, n, i) stands at
// outer[o] + at[n] + inner[i]. The other side of a copy is dense, in that order.
struct Blocks {
    const int64_t* outer;
    int64_t num_outer;
    const int64_t* at;
    int64_t count;
    const int64_t* inner;  // null: the inner elements are dense
    int64_t num_inner;

    int64_t rows() const { return num_outer * count; }
};

void gather_blocks(char* to, const char* from, const Blocks& blocks, size_t item);
// One index vector over rows that are dense: to[n] = from[index[n]], `bytes` each. With `negatives`
// places may count from the end. `dim` is for messages.
void gather_rows(char* to, const char* from, const int64_t* index, int64_t count, int64_t size,
                 int64_t stride, int64_t bytes, bool negatives, int64_t dim);
// Of several writes to one place the last wins. With `one_value`, `from` is a single element.
void scatter_blocks(char* to, const char* from, const Blocks& blocks, size_t item, bool one_value);
// Adds in a fixed order, whatever the number of threads.
void add_blocks(DType dtype, char* to, const char* from, const Blocks& blocks);

// gather() and scatter(): for every position of an index tensor, an element of `data` whose place
// along one dimension the index says, and an element of `plain` at the position itself.
struct Places {
    int ndim;
    const int64_t* sizes;          // of the index tensor
    const int64_t* index_strides;  // in bytes, as are all strides
    const int64_t* data_strides;   // 0 along the indexed dimension
    const int64_t* plain_strides;
    int64_t step;        // stride of `data` along the indexed dimension
    int64_t size;        // its size there
    int64_t dim;         // for messages
    bool separate_rows;  // runs of the last dimension never meet: they may go to several threads

    int64_t total() const {
        int64_t n = 1;
        for (int d = 0; d < ndim; ++d) n *= sizes[d];
        return n;
    }
};

enum class Put { Write, Add };

void gather_places(char* plain, const char* data, const char* index, const Places& places,
                   size_t item);
void scatter_places(DType dtype, char* data, const char* plain, const char* index,
                    const Places& places, Put put);

// Positions of the elements of `data` (dense) that are not zero, ascending, into `out`.
int64_t count_nonzero(DType dtype, const char* data, int64_t n);
void find_nonzero(DType dtype, const char* data, int64_t n, int64_t* out);

// Raises "index 5 is out of bounds for dimension 0 with size 3".
[[noreturn]] void fail_index(int64_t index, int64_t dim, int64_t size,
                             ErrorKind kind = ErrorKind::Index);

}  // namespace chainrule::cpu
