#include "base/shape_hints.h"

#include <algorithm>
#include <utility>

#include "base/message.h"

namespace chainrule {

namespace {

// Whether `small` broadcasts to exactly `large`.
bool expands_to(const Dims& small, const Dims& large) {
    if (small.size() > large.size()) return false;
    for (size_t i = 0; i < small.size(); ++i) {
        int64_t have = small[small.size() - 1 - i], want = large[large.size() - 1 - i];
        if (have != want && have != 1) return false;
    }
    return true;
}

int64_t product(const Dims& shape, size_t from = 0) {
    int64_t n = 1;
    for (size_t i = from; i < shape.size(); ++i) n *= shape[i];
    return n;
}

// The place at which one more dimension of size 1 makes `small` fit; -1: none does.
int place_for_one(const Dims& small, const Dims& large) {
    for (size_t at = small.size() + 1; at-- > 0;) {
        Dims more = small;
        more.insert(at, 1);
        if (expands_to(more, large)) return static_cast<int>(at);
    }
    return -1;
}

Dims transposed(const Dims& shape) {
    Dims out = shape;
    std::swap(out[out.size() - 2], out[out.size() - 1]);
    return out;
}

std::string change_of(const char* name, const Dims& small, const Dims& large) {
    if (small.size() < large.size()) {
        int at = place_for_one(small, large);
        if (at >= 0) {
            Dims more = small;
            more.insert(static_cast<size_t>(at), 1);
            return note("Did you mean ", name, ".unsqueeze(", at, "), of shape ", to_string(more),
                        "? A reduction with keepdim=True gives that too.");
        }
    }
    if (small.size() == 2 && expands_to(transposed(small), large)) {
        return note("Did you mean ", name, ".T, of shape ", to_string(transposed(small)), "?");
    }
    return "";
}

// "x.T" of a matrix, "x.transpose(1, 2)" of a batch of them.
std::string transposition(const char* name, size_t ndim) {
    if (ndim == 2) return concat(name, ".T");
    return concat(name, ".transpose(", ndim - 2, ", ", ndim - 1, ")");
}

}  // namespace

std::string hint_broadcast(const Dims& a, const Dims& b) {
    std::string hint = change_of("b", b, a);
    if (hint.empty()) hint = change_of("a", a, b);
    if (hint.empty() && product(a) == product(b)) {
        return note("They have equally many elements: did you mean b.reshape(a.shape)?");
    }
    return hint;
}

std::string hint_product(const Dims& a, const Dims& b, const char* name_a, const char* name_b) {
    if (a.size() < 2 || b.size() < 2) return "";
    int64_t rows_a = a[a.size() - 2], cols_a = a.back();
    int64_t rows_b = b[b.size() - 2], cols_b = b.back();
    if (cols_a == cols_b) {
        return note("Did you mean ", transposition(name_b, b.size()), ", of shape ",
                    to_string(transposed(b)), "?");
    }
    if (rows_a == rows_b) {
        return note("Did you mean ", transposition(name_a, a.size()), ", of shape ",
                    to_string(transposed(a)), "?");
    }
    if (cols_b == rows_a) return note("In the other order they fit: ", name_b, " @ ", name_a, ".");
    return "";
}

std::string hint_features(const Dims& input, int64_t features) {
    for (size_t i = 0; i + 1 < input.size(); ++i) {
        if (product(input, i) == features) {
            return note("Did you mean input.flatten(", i, ")? Its last dimension is ", features,
                        ".");
        }
    }
    for (size_t i = 0; i + 1 < input.size(); ++i) {
        if (input[i] == features) {
            return note("Dimension ", i, " has that size: did you mean input.transpose(", i, ", ",
                        input.size() - 1, ")?");
        }
    }
    return note("Give it an input of ", features,
                " features, or a layer of in_features=", input.back(), ".");
}

std::string hint_same_shape(const Dims& a, const Dims& b, const char* name_a, const char* name_b) {
    bool a_larger = a.size() > b.size();
    const Dims &large = a_larger ? a : b, &small = a_larger ? b : a;
    for (size_t i = large.size(); large.size() == small.size() + 1 && i-- > 0;) {
        Dims less = large;
        less.erase(i);
        if (large[i] != 1 || less != small) continue;
        return note("Did you mean ", a_larger ? name_a : name_b, ".squeeze(", i, "), of shape ",
                    to_string(small), ", or ", a_larger ? name_b : name_a, ".unsqueeze(", i,
                    "), of shape ", to_string(large), "?");
    }
    if (product(a) == product(b)) {
        return note("They have equally many elements: did you mean ", name_b, ".reshape(", name_a,
                    ".shape)?");
    }
    return "";
}

void fail_broadcast(const Dims& a, const Dims& b, const std::string& operands) {
    size_t n = std::max(a.size(), b.size());
    int64_t x = 1, y = 1;
    size_t dim = 0;
    for (size_t i = 0; i < n; ++i) {
        x = i < a.size() ? a[a.size() - 1 - i] : 1;
        y = i < b.size() ? b[b.size() - 1 - i] : 1;
        dim = n - 1 - i;
        if (x != y && x != 1 && y != 1) break;
    }
    fail(ErrorKind::Runtime, "The size of tensor a (", x, ") must match the size of tensor b (", y,
         ") at non-singleton dimension ", dim, operands,
         note("Sizes are compared from the last dimension backwards: they must be equal, or one of "
              "them 1."),
         hint_broadcast(a, b));
}

}  // namespace chainrule
