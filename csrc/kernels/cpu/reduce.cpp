#include "kernels/cpu/reduce.h"

#include <algorithm>
#include <vector>

#include "base/interpreter_lock.h"
#include "base/parallel.h"
#include "kernels/kernel.h"

// Leads the loops of a fold over any layout. Work is divided by sizes alone, never by the number
// of threads, so that results do not depend on it.
namespace chainrule::cpu {

const Fold* find_fold(FoldOp op, DType dtype) {
#ifdef CHAINRULE_ONLY_BASE_ISA
    const FoldTable* folds = reduce_kernels::isa_base::folds;
#else
    static const FoldTable* const all[] = {reduce_kernels::isa_base::folds,
                                           reduce_kernels::isa_avx2::folds,
                                           reduce_kernels::isa_avx512::folds};
    const FoldTable* folds = all[g_active_isa];
#endif
    return folds[static_cast<int>(op)].by_dtype[static_cast<int>(dtype)];
}

namespace {

constexpr int64_t kGrain = 32768;   // elements that are worth a thread
constexpr int64_t kBlock = 65536;   // elements of a part of one long fold
constexpr int64_t kMaxParts = 256;  // parts of one long fold
constexpr int64_t kFewColumns = 8;  // fewer are folded one after the other

int64_t product(const ReduceDim* dims, int n) {
    int64_t out = 1;
    for (int i = 0; i < n; ++i) out *= dims[i].size;
    return out;
}

// Walks positions of a group of dimensions, the last one fastest.
struct Walker {
    const ReduceDim* dims;
    int n;
    int64_t index[64];
    int64_t in = 0, out = 0, second = 0;

    Walker(const ReduceDim* d, int count, int64_t position) : dims(d), n(count) {
        for (int i = n; i-- > 0;) {
            index[i] = position % dims[i].size;
            position /= dims[i].size;
            in += index[i] * dims[i].in;
            out += index[i] * dims[i].out;
            second += index[i] * dims[i].second;
        }
    }
    void next() {
        for (int i = n; i-- > 0;) {
            in += dims[i].in;
            out += dims[i].out;
            second += dims[i].second;
            if (++index[i] < dims[i].size) return;
            in -= dims[i].size * dims[i].in;
            out -= dims[i].size * dims[i].out;
            second -= dims[i].size * dims[i].second;
            index[i] = 0;
        }
    }
};

FoldTarget moved(const FoldTarget& to, int64_t out, int64_t second) {
    return {to.out ? to.out + out : nullptr, to.out_step, to.second ? to.second + second : nullptr,
            to.second_step};
}

struct Reduction {
    const Fold& fold;
    const char* in;
    int64_t item;
    const ReduceDim* kept;
    int num_kept;
    const ReduceDim* folded;
    int num_folded;
    const FoldTarget& to;
    const FoldParams& params;

    // Folds positions [begin, end) of the folded dimensions, seen from `from`.
    void fold_range(const char* from, int64_t begin, int64_t end, void* acc) const {
        const ReduceDim& inner = folded[num_folded - 1];
        Walker walk(folded, num_folded - 1, begin / inner.size);
        int64_t at = begin % inner.size;
        for (int64_t i = begin; i < end;) {
            const int64_t n = std::min(inner.size - at, end - i);
            fold.run(from + walk.in + at * inner.in, inner.in, n, i, acc, params);
            i += n;
            at = 0;
            walk.next();
        }
    }

    void everything() const {
        alignas(16) char acc[kMaxAccBytes];
        const int64_t total = product(folded, num_folded);
        fold.init(acc, 1);
        if (num_folded == 0) {
            fold.run(in, item, 1, 0, acc, params);
        } else if (total <= kBlock) {
            if (total) fold_range(in, 0, total, acc);
        } else {
            const int64_t block = std::max(kBlock, (total / kMaxParts + kBlock) / kBlock * kBlock);
            const int64_t parts = (total + block - 1) / block;
            alignas(16) char partial[kMaxParts * kMaxAccBytes];
            fold.init(partial, parts);
            Unlocked unlocked(true);
            parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
                for (int64_t p = begin; p < end; ++p) {
                    fold_range(in, p * block, std::min(total, (p + 1) * block),
                               partial + p * fold.acc_bytes);
                }
            });
            for (int64_t p = 0; p < parts; ++p) fold.combine(acc, partial + p * fold.acc_bytes, 1);
        }
        fold.finish(acc, 1, to, params);
    }

    // One result after the other; results of the last kept dimension together where rows are dense.
    void row_by_row() const {
        const ReduceDim none = {1, item, 0, 0, true};
        const Reduction self =
            num_folded ? *this : Reduction{fold, in, item, kept, num_kept, &none, 1, to, params};
        const int64_t each = product(self.folded, self.num_folded);
        const bool dense = self.num_folded == 1 && self.folded[0].in == item;
        const int outer = num_kept - (dense ? 1 : 0);
        const ReduceDim& inner = kept[num_kept - 1];
        const int64_t total = product(kept, num_kept);
        Unlocked unlocked(total * std::max<int64_t>(each, 1) >= kUnlockedFrom);
        const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(each, 1));
        parallel_for(0, total, grain, [&](int64_t begin, int64_t end) {
            if (dense) {
                Walker walk(kept, outer, begin / inner.size);
                int64_t at = begin % inner.size;
                for (int64_t i = begin; i < end;) {
                    const int64_t n = std::min(inner.size - at, end - i);
                    FoldTarget here =
                        moved(to, walk.out + at * inner.out, walk.second + at * inner.second);
                    here.out_step = inner.out;
                    here.second_step = inner.second;
                    fold.rows(in + walk.in + at * inner.in, inner.in, n, each, here, params);
                    i += n;
                    at = 0;
                    walk.next();
                }
                return;
            }
            Walker walk(kept, num_kept, begin);
            for (int64_t i = begin; i < end; ++i, walk.next()) {
                alignas(16) char acc[kMaxAccBytes];
                fold.init(acc, 1);
                if (each) self.fold_range(in + walk.in, 0, each, acc);
                fold.finish(acc, 1, moved(to, walk.out, walk.second), params);
            }
        });
    }

    // Rows [begin, end) of a piece of `cols` neighbouring columns.
    void fold_columns(const char* from, int64_t cols, int64_t begin, int64_t end, char* acc) const {
        const ReduceDim& rows = folded[num_folded - 1];
        const int64_t width = cols * item;
        const int64_t outer = product(folded, num_folded - 1);
        Walker walk(folded, num_folded - 1, 0);
        // Few columns without gaps: several rows make one wide row.
        const int64_t together = kMaxColumns / cols;
        const bool widen =
            rows.in == width && together >= 4 && !fold.positional && end - begin >= 4 * together;
        for (int64_t o = 0; o < outer; ++o, walk.next()) {
            const char* start = from + walk.in + begin * rows.in;
            int64_t count = end - begin;
            if (widen) {
                alignas(64) char wide[kMaxColumns * kMaxAccBytes];
                fold.init(wide, cols * together);
                const int64_t wide_rows = count / together;
                fold.columns(start, rows.in * together, wide_rows, cols * together, 0, wide,
                             params);
                for (int64_t k = 0; k < together; ++k) {
                    fold.combine(acc, wide + k * cols * fold.acc_bytes, cols);
                }
                start += wide_rows * together * rows.in;
                count -= wide_rows * together;
            }
            fold.columns(start, rows.in, count, cols, o * rows.size + begin, acc, params);
        }
    }

    void column_by_column() const {
        const ReduceDim& inner = kept[num_kept - 1];
        const int64_t rows = folded[num_folded - 1].size;
        const int64_t each = product(folded, num_folded);
        const int64_t width = std::min(inner.size, kMaxColumns);
        const int64_t pieces = (inner.size + width - 1) / width;
        const int64_t units = product(kept, num_kept - 1) * pieces;
        const int64_t elements = each * width;  // of one unit
        auto target = [&](const Walker& walk, int64_t first) {
            FoldTarget here =
                moved(to, walk.out + first * inner.out, walk.second + first * inner.second);
            here.out_step = inner.out;
            here.second_step = inner.second;
            return here;
        };
        // Few long units are split along the rows, with partial results.
        const int64_t parts =
            units < 4 ? std::clamp<int64_t>(elements / kBlock, 1, std::min<int64_t>(16, rows)) : 1;
        if (parts > 1) {
            const int64_t block = (rows + parts - 1) / parts;
            const int64_t stride = width * fold.acc_bytes;
            std::vector<char> partial(static_cast<size_t>(units * parts * stride));
            Unlocked unlocked(true);
            parallel_for(0, units * parts, 1, [&](int64_t begin, int64_t end) {
                for (int64_t t = begin; t < end; ++t) {
                    const int64_t unit = t / parts, part = t % parts;
                    const int64_t first = unit % pieces * width;
                    Walker walk(kept, num_kept - 1, unit / pieces);
                    char* acc = partial.data() + t * stride;
                    fold.init(acc, width);
                    fold_columns(in + walk.in + first * item, std::min(width, inner.size - first),
                                 std::min(rows, part * block), std::min(rows, (part + 1) * block),
                                 acc);
                }
            });
            for (int64_t unit = 0; unit < units; ++unit) {
                char* acc = partial.data() + unit * parts * stride;
                for (int64_t p = 1; p < parts; ++p) fold.combine(acc, acc + p * stride, width);
                Walker walk(kept, num_kept - 1, unit / pieces);
                const int64_t first = unit % pieces * width;
                fold.finish(acc, std::min(width, inner.size - first), target(walk, first), params);
            }
            return;
        }
        Unlocked unlocked(units * elements >= kUnlockedFrom);
        const int64_t grain = std::max<int64_t>(1, kGrain / elements);
        parallel_for(0, units, grain, [&](int64_t begin, int64_t end) {
            alignas(64) char acc[kMaxColumns * kMaxAccBytes];
            for (int64_t unit = begin; unit < end; ++unit) {
                const int64_t first = unit % pieces * width;
                const int64_t cols = std::min(width, inner.size - first);
                Walker walk(kept, num_kept - 1, unit / pieces);
                fold.init(acc, cols);
                fold_columns(in + walk.in + first * item, cols, 0, rows, acc);
                fold.finish(acc, cols, target(walk, first), params);
            }
        });
    }
};

// Sorts by how far the input moves, then joins dimensions that are walked as one.
int arrange(ReduceDim* dims, int n, bool sort) {
    for (int i = 1; sort && i < n; ++i) {
        for (int j = i; j > 0 && dims[j].in > dims[j - 1].in; --j) std::swap(dims[j], dims[j - 1]);
    }
    int out = 0;
    for (int i = 0; i < n; ++i) {
        if (out > 0) {
            ReduceDim& before = dims[out - 1];
            const ReduceDim& d = dims[i];
            if (before.in == d.size * d.in && before.out == d.size * d.out &&
                before.second == d.size * d.second) {
                before.in = d.in;
                before.out = d.out;
                before.second = d.second;
                before.size *= d.size;
                continue;
            }
        }
        dims[out++] = dims[i];
    }
    return out;
}

}  // namespace

void reduce(const Fold& fold, const char* in, int64_t item, ReduceDim* dims, int ndim,
            const FoldTarget& to, FoldParams params) {
    ReduceDim kept[64], folded[64];
    int num_kept = 0, num_folded = 0;
    params.count = 1;
    for (int i = 0; i < ndim; ++i) {
        if (dims[i].folded) params.count *= dims[i].size;
        else if (dims[i].size == 0) return;
        if (dims[i].size == 1) continue;
        if (dims[i].folded) folded[num_folded++] = dims[i];
        else kept[num_kept++] = dims[i];
    }
    if (params.count == 0) {  // nothing to fold: every result is what nothing folds to
        folded[0] = {0, item, 0, 0, true};
        num_folded = 1;
    }
    num_folded = arrange(folded, num_folded, !fold.positional);
    num_kept = arrange(kept, num_kept, true);
    const Reduction r = {fold, in, item, kept, num_kept, folded, num_folded, to, params};
    if (num_kept == 0) {
        r.everything();
        return;
    }
    const ReduceDim& last = kept[num_kept - 1];
    const bool columns = num_folded > 0 && params.count > 0 && last.in == item &&
                         folded[num_folded - 1].in != item &&
                         (last.size >= kFewColumns ||
                          (folded[num_folded - 1].in == last.size * item && !fold.positional));
    if (columns) r.column_by_column();
    else r.row_by_row();
}

}  // namespace chainrule::cpu
