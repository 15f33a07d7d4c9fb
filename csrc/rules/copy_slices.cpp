#include "rules/copy_slices.h"

#include "autograd/history.h"
#include "ops.h"

namespace chainrule::rules {

namespace {

struct Geometry {
    Dims sizes, strides;
    int64_t offset = 0;
    explicit Geometry(const TensorImpl& t)
        : sizes(t.sizes(), t.ndim),
          strides(t.strides(), t.ndim),
          offset((t.data - t.storage->data) / static_cast<int64_t>(item_size(t.dtype))) {}
};

Tensor read(const Tensor& from, const Geometry& of, const Geometry& at) {
    return ops::_restride(from, of.sizes, of.strides, of.offset, at.sizes, at.strides, at.offset);
}

struct CopySlices final : Node {
    CopySlices(const Tensor& base_tensor, const TensorImpl& view_tensor, Ref<Node> function)
        : base(*base_tensor), view(view_tensor), fn(std::move(function)) {}

    const char* name() const override { return "CopySlices"; }
    void release_saved() override { fn->release_saved(); }
    void visit_saved(SavedVisitor& visitor) override { fn->visit_saved(visitor); }

    // Input 0 is the base before the change, where fn has the changed view; the others are fn's.
    void backward(GradIO& io) override {
        if (!io.in[0]) return;
        const Tensor& grad = io.in[0];
        uint32_t count = fn->num_inputs();
        std::vector<Tensor> results(count);
        std::unique_ptr<bool[]> wanted(new bool[count]);
        for (uint32_t i = 0; i < count; ++i) wanted[i] = io.needs(i);
        Tensor slice = read(grad, base, view);
        GradIO inner{&slice, results.data(), wanted.get()};
        fn->backward(inner);
        if (io.needs(0)) {
            Tensor ones = Tensor::full(view.sizes, grad.dtype(), 1);
            Tensor inside = ops::ne(read(ones, view, base), Scalar(0));
            Tensor rest = ops::masked_fill(grad, inside, Scalar(0));
            io.out[0] = results[0] ? Tensor(ops::add(rest, read(results[0], view, base))) : rest;
        }
        for (uint32_t i = 1; i < count; ++i) io.out[i] = std::move(results[i]);
    }

    Geometry base, view;
    Ref<Node> fn;
};

}  // namespace

Ref<Node> make_copy_slices(const Tensor& base, const TensorImpl& view, Ref<Node> fn) {
    // By convention input 0 of an in-place operation's node is the changed tensor itself; the node
    // then refers to the base in its place.
    uint32_t count = fn->num_inputs();
    auto node = Node::create<CopySlices>(count, base, view, fn);
    node->set_edge(0, edge_of(*base));
    for (uint32_t i = 1; i < count; ++i) {
        Edge edge = fn->edges()[i];
        if (edge.node) edge.node->retain();
        node->set_edge(i, edge);
    }
    node->remember_location();
    return Ref<Node>::steal(node.leak());
}

}  // namespace chainrule::rules
