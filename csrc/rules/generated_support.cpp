#include "rules/generated_support.h"

#include "rules/pointwise_node.h"

namespace chainrule {

void note_results(const ObservedTensors& results, const ObservedTensors& inputs,
                  bool differentiable, const char* operation) {
    auto input = [&](size_t i) { return inputs[i]; };
    for (size_t i = 0; i < results.size(); ++i) {
        if (results[i]) {
            note_unrecorded(*results[i], inputs.size(), input, differentiable, operation);
        }
    }
}

TensorList tangents_or_zeros(const TensorList& list, int64_t level) {
    TensorList out;
    for (const Tensor& t : list) {
        Tensor tangent = tangent_at(t, level);
        out.push_back(tangent ? tangent : Tensor::zeros(t.shape(), t.dtype()));
    }
    return out;
}

Tensor add_tangents(const Tensor& total, const Tensor& term) {
    return total ? engine_add(total, term) : term;
}

void set_tangents(const Tensor& out, int64_t level, const Tensor& tangent) {
    if (tangent && is_differentiable(out->dtype)) {
        Tensor whole = expand_to(tangent, out);
        set_tangent(*out, level, whole);
        give_tangent_to_saved(*out, level, whole);
    }
}

void set_tangents(const TensorList& out, int64_t level, const TensorList& tangents) {
    for (size_t i = 0; i < tangents.size(); ++i) set_tangents(out[i], level, tangents[i]);
}

Tensor materialized(GradIO& io, Node& node, uint32_t i) {
    if (io.in[i]) return io.in[i];
    return Tensor::zeros(node.meta(i).shape(), node.meta(i).dtype());
}

TensorList materialized(GradIO& io, Node& node) {
    TensorList out;
    for (uint32_t i = 0; i < node.num_outputs(); ++i) out.push_back(materialized(io, node, i));
    return out;
}

void give_all(GradIO& io, uint32_t from, TensorList grads) {
    for (size_t i = 0; i < grads.size(); ++i) io.out[from + i] = std::move(grads[i]);
}

TensorList unpack_all(std::vector<Saved>& saved, Node& node) {
    TensorList out;
    for (Saved& s : saved) out.push_back(s.unpack(node));
    return out;
}

void save_all(std::vector<Saved>& saved, const TensorList& list) {
    saved.resize(list.size());
    for (size_t i = 0; i < list.size(); ++i) saved[i].save_input(list[i]);
}

std::vector<Dims> shapes_of(const TensorList& list) {
    std::vector<Dims> out;
    for (const Tensor& t : list) out.push_back(t.shape());
    return out;
}

}  // namespace chainrule
