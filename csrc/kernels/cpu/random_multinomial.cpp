#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "kernels/cpu/random.h"

namespace chainrule::cpu {

namespace {

using Lock = std::lock_guard<std::mutex>;

template <class... Parts>
void require(bool condition, const Parts&... parts) {
    check(condition, ErrorKind::Runtime, parts...);
}

// Largest first, NaN before all.
template <class T>
bool ranks_before(T a, T b) {
    return (std::isnan(a) && !std::isnan(b)) || a > b;
}

// Exponential races: the k smallest of E_i / w_i are a sample without replacement
// (Efraimidis and Spirakis 2006).
template <class T>
void sample_by_race(Generator& gen, const T* weights, int64_t rows, int64_t categories,
                    int64_t samples, int64_t* out) {
    for (int64_t i = 0; i < rows * categories; ++i) {
        require(weights[i] >= 0 && weights[i] < std::numeric_limits<T>::infinity(),
                "probability tensor contains either `inf`, `nan` or element < 0");
    }
    for (int64_t r = 0; r < rows; ++r) {
        const T* row = weights + r * categories;
        require(std::any_of(row, row + categories, [](T w) { return w > 0; }),
                "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    using Entry = std::pair<T, int64_t>;
    std::vector<T> times(categories);
    std::vector<Entry> entries(categories);
    const auto before = [](const Entry& a, const Entry& b) {
        return ranks_before(a.first, b.first);
    };
    for (int64_t r = 0; r < rows; ++r, weights += categories, out += samples) {
        fill_exponential(gen, times.data(), categories, 1.0);
        for (int64_t i = 0; i < categories; ++i) entries[i] = {weights[i] / times[i], i};
        const auto first = entries.begin(), end = entries.end(), cut = first + samples;
        if (samples == 1) {
            out[0] = std::min_element(first, end, before)->second;
            continue;
        }
        // The same steps as torch's topk, so that equal ranks come out in the same order.
        if (samples * 64 <= categories) {
            std::partial_sort(first, cut, end, before);
        } else {
            std::nth_element(first, cut - 1, end, before);
            std::sort(first, cut - 1, before);
        }
        for (int64_t k = 0; k < samples; ++k) out[k] = entries[k].second;
    }
}

template <class T>
void sample_by_search(Generator& gen, const T* weights, int64_t rows, int64_t categories,
                      int64_t samples, int64_t* out) {
    std::vector<T> cumulative(categories);
    Lock lock(gen.mutex());
    for (int64_t r = 0; r < rows; ++r, weights += categories, out += samples) {
        T sum = 0;
        for (int64_t i = 0; i < categories; ++i) {
            require(weights[i] >= 0,
                    "invalid multinomial distribution (encountering probability entry < 0)");
            require(std::isfinite(weights[i]),
                    "invalid multinomial distribution (encountering probability entry = infinity "
                    "or NaN)");
            sum += weights[i];
            cumulative[i] = sum;
        }
        require(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0)");
        for (T& c : cumulative) c /= sum;
        cumulative.back() = 1;
        for (int64_t k = 0; k < samples; ++k) {
            const double u = gen.unit();
            const auto found = std::partition_point(cumulative.begin(), cumulative.end(),
                                                    [u](T c) { return c < u; });
            out[k] = found - cumulative.begin();
        }
    }
}

}  // namespace

template <class T>
void multinomial(Generator& gen, const T* weights, int64_t rows, int64_t categories,
                 int64_t samples, bool replacement, int64_t* out) {
    require(samples > 0, "cannot sample n_sample <= 0 samples");
    require(replacement || samples <= categories,
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    require(categories <= int64_t{1} << 24, "number of categories cannot exceed 2^24");
    if (rows == 0) return;
    if (!replacement || samples == 1) {
        sample_by_race(gen, weights, rows, categories, samples, out);
    } else {
        sample_by_search(gen, weights, rows, categories, samples, out);
    }
}

template void multinomial<float>(Generator&, const float*, int64_t, int64_t, int64_t, bool,
                                 int64_t*);
template void multinomial<double>(Generator&, const double*, int64_t, int64_t, int64_t, bool,
                                  int64_t*);

}  // namespace chainrule::cpu
