#include <algorithm>

#include "ops.h"

// Einstein's notation: every operand is brought to one order of dimensions (those of the result,
// then those that are summed; missing ones have size 1), then neighbours are contracted by bmm.
namespace chainrule::composite {

namespace {

constexpr int kEllipsis = -1;
using Labels = std::vector<int>;  // 'a', … or kEllipsis

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Reads the subscripts in text[begin, end); `what` names them in messages.
Labels parse(const std::string& text, size_t begin, size_t end, const std::string& what) {
    Labels labels;
    bool ellipsis = false;
    for (size_t i = begin; i < end; ++i) {
        const char c = text[i];
        if (c == ' ') continue;
        if (c == '.') {
            check(text.compare(i, 3, "...") == 0 && i + 3 <= end, ErrorKind::Runtime,
                  "einsum(): found '.' for ", what, " that is not part of any ellipsis");
            check(!ellipsis, ErrorKind::Runtime, "einsum(): found '.' for ", what,
                  " for which an ellipsis was already found");
            ellipsis = true;
            labels.push_back(kEllipsis);
            i += 2;
            continue;
        }
        check(is_letter(c), ErrorKind::Runtime, "einsum(): invalid subscript given at index ", i,
              " in the equation string, subscripts must be in [a-zA-Z]");
        labels.push_back(c);
    }
    return labels;
}

struct Equation {
    std::vector<Labels> inputs;
    Labels output;
    bool explicit_output = false;
};

Equation parse_equation(const std::string& text) {
    Equation e;
    const size_t arrow = text.find("->");
    const size_t end = arrow == std::string::npos ? text.size() : arrow;
    for (size_t begin = 0;;) {
        size_t comma = std::min(text.find(',', begin), end);
        e.inputs.push_back(parse(text, begin, comma, concat("operand ", e.inputs.size())));
        if (comma >= end) break;
        begin = comma + 1;
    }
    if (arrow != std::string::npos) {
        e.explicit_output = true;
        e.output = parse(text, arrow + 2, text.size(), "the output");
    }
    return e;
}

// Where each label stands in the common order.
struct Order {
    int64_t position[128];
    int64_t ellipsis_at = -1, ellipsis_dims = 0;
    int64_t num_out = 0, total = 0;
};

Order make_order(const Equation& e, int64_t ellipsis_dims) {
    Order order;
    order.ellipsis_dims = ellipsis_dims;
    std::fill(std::begin(order.position), std::end(order.position), -1);
    int counts[128] = {};
    for (const Labels& labels : e.inputs) {
        for (int label : labels) {
            if (label >= 0) ++counts[label];
        }
    }
    Labels output = e.output;
    if (!e.explicit_output) {
        if (ellipsis_dims) output.push_back(kEllipsis);
        for (int label = 0; label < 128; ++label) {
            if (counts[label] == 1) output.push_back(label);
        }
    }
    for (int label : output) {
        if (label == kEllipsis) {
            order.ellipsis_at = order.total;
            order.total += ellipsis_dims;
            continue;
        }
        const char name = static_cast<char>(label);
        check(order.position[label] < 0, ErrorKind::Runtime, "einsum(): output subscript ", name,
              " appears more than once in the output");
        check(counts[label] > 0, ErrorKind::Runtime, "einsum(): output subscript ", name,
              " does not appear in the equation for any input operand");
        order.position[label] = order.total++;
    }
    order.num_out = order.total;
    if (order.ellipsis_at < 0) {
        order.ellipsis_at = order.total;
        order.total += ellipsis_dims;
    }
    for (int label = 0; label < 128; ++label) {
        if (counts[label] && order.position[label] < 0) order.position[label] = order.total++;
    }
    return order;
}

int64_t letters_in(const Labels& labels) {
    return std::count_if(labels.begin(), labels.end(), [](int label) { return label >= 0; });
}

bool has_ellipsis(const Labels& labels) {
    return std::find(labels.begin(), labels.end(), kEllipsis) != labels.end();
}

int64_t count_ellipsis_dims(const Equation& e, const std::vector<Tensor>& tensors) {
    int64_t most = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
        const int64_t letters = letters_in(e.inputs[i]), n = tensors[i].dim();
        if (has_ellipsis(e.inputs[i])) {
            check(letters <= n, ErrorKind::Runtime,
                  "einsum(): the number of subscripts in the equation (", letters,
                  ") is more than the number of dimensions (", n, ") for operand ", i);
            most = std::max(most, n - letters);
        } else {
            check(letters == n, ErrorKind::Runtime,
                  "einsum(): the number of subscripts in the equation (", letters,
                  ") does not match the number of dimensions (", n, ") for operand ", i,
                  " and no ellipsis was given");
        }
    }
    return most;
}

// Takes diagonals of repeated labels and brings t to the common order.
Tensor arrange(Tensor t, const Labels& labels, const Order& order, size_t operand,
               Dims& seen_sizes) {
    Dims source = Dims::filled(static_cast<size_t>(order.total), -1);  // position -> dimension
    int64_t dim = 0;
    for (int label : labels) {
        if (label == kEllipsis) {
            const int64_t own = t.dim() - dim;
            // Letters that follow keep their place at the end.
            int64_t after = 0;
            for (size_t i = labels.size(); labels[--i] != kEllipsis;) ++after;
            const int64_t count = own - after;
            for (int64_t i = 0; i < count; ++i) {
                const int64_t at = order.ellipsis_at + order.ellipsis_dims - count + i;
                source[static_cast<size_t>(at)] = dim++;
            }
            continue;
        }
        const size_t at = static_cast<size_t>(order.position[label]);
        if (source[at] < 0) {
            source[at] = dim++;
            continue;
        }
        const int64_t first = source[at];
        check(t.size(first) == t.size(dim), ErrorKind::Runtime, "einsum(): subscript ",
              static_cast<char>(label), " is repeated for operand ", operand,
              " but the sizes don't match, ", t.size(dim), " != ", t.size(first));
        // The diagonal becomes the last dimension; back to where the first one was.
        t = ops::movedim_int(ops::diagonal(t, 0, first, dim), -1, first);
    }
    Dims permutation, shape;
    for (size_t at = 0; at < source.size(); ++at) {
        if (source[at] < 0) {
            shape.push_back(1);
            continue;
        }
        const int64_t size = t.size(source[at]);
        permutation.push_back(source[at]);
        shape.push_back(size);
        int64_t& seen = seen_sizes[at];
        if (seen == 1) seen = size;
        if (size != 1 && size != seen) {
            const int* name = nullptr;
            for (const int& label : labels) {
                if (label >= 0 && order.position[label] == static_cast<int64_t>(at)) name = &label;
            }
            fail(ErrorKind::Runtime, "einsum(): ",
                 name ? concat("subscript ", static_cast<char>(*name)) : "a dimension of '...'",
                 " has size ", size, " for operand ", operand,
                 " which does not broadcast with previously seen size ", seen);
        }
    }
    t = ops::permute(t, permutation);
    for (size_t at = 0; at < source.size(); ++at) {
        if (source[at] < 0) t = ops::unsqueeze(t, static_cast<int64_t>(at));
    }
    return t;
}

// Sum over `sums` of the product of a and b, which have the same number of dimensions. Summed
// dimensions stay, with size 1.
Tensor contract(Tensor a, Tensor b, const std::vector<bool>& sums) {
    const size_t n = sums.size();
    Dims both, left, right, summed, sum_a, sum_b;
    for (size_t d = 0; d < n; ++d) {
        const int64_t at = static_cast<int64_t>(d);
        const bool in_a = a.size(at) != 1, in_b = b.size(at) != 1;
        if (sums[d] && in_a != in_b) {
            (in_a ? sum_a : sum_b).push_back(at);
            left.push_back(at);
        } else if (in_a && in_b) {
            (sums[d] ? summed : both).push_back(at);
        } else {
            (in_b ? right : left).push_back(at);
        }
    }
    if (!sum_a.empty()) a = ops::sum(a, sum_a, true);
    if (!sum_b.empty()) b = ops::sum(b, sum_b, true);
    if (summed.empty()) return ops::mul(a, b);
    Dims order_a, order_b, shape, order;
    int64_t sizes[4] = {1, 1, 1, 1};  // both, left, right, summed
    auto take = [&](const Dims& dims, const Tensor& t, int group) {
        for (int64_t d : dims) sizes[group] *= t.size(d);
    };
    take(both, a, 0);
    take(left, a, 1);
    take(right, b, 2);
    take(summed, a, 3);
    for (const Dims* part : {&both, &left, &summed, &right}) {
        for (int64_t d : *part) order_a.push_back(d);
    }
    for (const Dims* part : {&both, &summed, &right, &left}) {
        for (int64_t d : *part) order_b.push_back(d);
    }
    for (int64_t d : both) shape.push_back(a.size(d));
    for (int64_t d : left) shape.push_back(a.size(d));
    for (int64_t d : right) shape.push_back(b.size(d));
    for (size_t i = 0; i < summed.size(); ++i) shape.push_back(1);
    for (const Dims* part : {&both, &left, &right, &summed}) {
        for (int64_t d : *part) order.push_back(d);
    }
    Dims back = Dims::filled(n, 0);
    for (size_t i = 0; i < n; ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
    a = ops::permute(a, order_a);
    b = ops::permute(b, order_b);
    Tensor product;
    if (both.empty()) {
        product =
            ops::mm(ops::reshape(a, {sizes[1], sizes[3]}), ops::reshape(b, {sizes[3], sizes[2]}));
    } else {
        product = ops::bmm(ops::reshape(a, {sizes[0], sizes[1], sizes[3]}),
                           ops::reshape(b, {sizes[0], sizes[3], sizes[2]}));
    }
    return ops::permute(ops::reshape(product, shape), back);
}

}  // namespace

Tensor einsum(const std::string& equation, const std::vector<Tensor>& tensors) {
    check(!tensors.empty(), ErrorKind::Runtime, "einsum(): must provide at least one operand");
    const Equation e = parse_equation(equation);
    check(e.inputs.size() >= tensors.size(), ErrorKind::Runtime,
          "einsum(): more operands were provided than specified in the equation");
    check(e.inputs.size() <= tensors.size(), ErrorKind::Runtime,
          "einsum(): fewer operands were provided than specified in the equation");
    const Order order = make_order(e, count_ellipsis_dims(e, tensors));
    const size_t total = static_cast<size_t>(order.total);
    const size_t num_out = static_cast<size_t>(order.num_out);
    Dims seen = Dims::filled(total, 1);
    std::vector<Tensor> operands;
    std::vector<size_t> last_use(total, 0);
    for (size_t i = 0; i < tensors.size(); ++i) {
        operands.push_back(arrange(tensors[i], e.inputs[i], order, i, seen));
        for (size_t d = 0; d < total; ++d) {
            if (operands[i].size(static_cast<int64_t>(d)) != 1) last_use[d] = i;
        }
    }
    Tensor result = operands[0];
    Dims alone;
    for (size_t d = num_out; d < total; ++d) {
        if (last_use[d] == 0) alone.push_back(static_cast<int64_t>(d));
    }
    if (!alone.empty()) result = ops::sum(result, alone, true);
    for (size_t i = 1; i < operands.size(); ++i) {
        std::vector<bool> sums(total, false);
        for (size_t d = num_out; d < total; ++d) sums[d] = last_use[d] == i;
        result = contract(std::move(result), operands[i], sums);
    }
    for (size_t d = total; d > num_out; --d) {
        result = ops::squeeze_dim(result, static_cast<int64_t>(d) - 1);
    }
    return result;
}

}  // namespace chainrule::composite
