#pragma once

#include <cstring>

#include "base/dims.h"
#include "base/dtype.h"
#include "base/scalar.h"
#include "tensor/storage.h"

namespace chainrule {

class Node;
struct AutogradExtra;
struct NoGraph;

// Bits of TensorImpl::flags. The thread's mode uses the same positions, so that the hot path asks
// one question of `input flags | thread flags`.
enum TensorFlag : uint16_t {
    kRequiresGrad = 1 << 0,   // a leaf that asks for a gradient, or a result with a grad_fn
    kContiguous = 1 << 1,     // row-major without gaps
    kWrappedNumber = 1 << 2,  // a Python number made into a tensor: it does not promote dtypes
    kDual = 1 << 3,           // carries a tangent
    kInference = 1 << 4,      // made under inference_mode
    kView = 1 << 5,           // differentiable view of `base`
    kRetainGrad = 1 << 6,
    kNoGraph = 1 << 7,         // `no_graph` says why there is no history
    kObserveMode = 1 << 14,    // only in thread flags: someone watches every operator
    kTransformMode = 1 << 15,  // only in thread flags: some transform wants every operator
};
inline constexpr uint16_t kColdFlags = kDual | kTransformMode;

// How a view came about; in-place changes of some are refused.
enum class ViewOrigin : uint8_t { Plain, MultiOutput, NoGrad, Inference };

struct TensorImpl {
    uint32_t refcount = 1;
    DType dtype = DType::Float32;
    uint8_t ndim = 0;
    uint16_t flags = 0;
    int64_t numel = 1;
    char* data = nullptr;
    Storage* storage = nullptr;
    int64_t* dims = inline_dims;  // ndim sizes, then ndim strides (in elements)
    int64_t inline_dims[8];
    Node* grad_fn = nullptr;  // owned; null for leaves
    union {
        Node* accumulator = nullptr;  // borrowed: the graph owns it, it clears this when it dies
        NoGraph* no_graph;            // owned; with kNoGraph
    };
    TensorImpl* grad = nullptr;      // owned
    TensorImpl* base = nullptr;      // owned; of a view, the tensor it looks into
    AutogradExtra* extra = nullptr;  // owned; hooks, tangents: whatever is rare
    void* python_object = nullptr;   // borrowed, or owned when kOwnsPython is set by bind
    uint32_t view_version = 0;       // the storage's version when grad_fn of the view was made
    uint16_t output_index = 0;       // which output of grad_fn this is
    ViewOrigin origin = ViewOrigin::Plain;
    bool owns_python = false;

    static TensorImpl* create();
    void retain() { count_up(refcount); }
    void release() {
        if (count_down(refcount)) destroy();
    }

    const int64_t* sizes() const { return dims; }
    const int64_t* strides() const { return dims + ndim; }
    void reserve_dims(size_t n);  // sets ndim and makes room
    void set_geometry(const Dims& sizes, const Dims& strides);
    void set_contiguous(const int64_t* sizes, size_t n, int64_t count);
    bool same_shape(const TensorImpl& other) const {
        if (ndim != other.ndim) return false;
        // A loop: shapes are short, and a call of memcmp costs more than they do.
        for (int i = 0; i < ndim; ++i) {
            if (dims[i] != other.dims[i]) return false;
        }
        return true;
    }

private:
    void destroy();
};
static_assert(sizeof(TensorImpl) <= 192, "the tensor header stays small");

// Set by bind/: called when a tensor that owns its Python object dies.
extern void (*g_release_python_object)(void* object);
// Implemented by autograd/.
void release_history(TensorImpl& impl);

// A reference to a tensor; copying shares it.
class Tensor : public Ref<TensorImpl> {
public:
    Tensor() = default;
    Tensor(std::nullptr_t) {}
    Tensor(Ref<TensorImpl> ref) : Ref<TensorImpl>(std::move(ref)) {}

    // Fresh memory with undefined contents, row-major.
    static Tensor empty(const Dims& shape, DType dtype);
    static Tensor empty_like(const TensorImpl& like, DType dtype);  // same shape, row-major
    static Tensor full(const Dims& shape, DType dtype, const Scalar& value);
    static Tensor zeros(const Dims& shape, DType dtype) { return full(shape, dtype, 0); }
    static Tensor wrapped_number(const Scalar& value);  // 0-d, flagged
    // A tensor over `like`'s storage with another geometry; no history.
    static Tensor view_of(const TensorImpl& like, const Dims& shape, const Dims& strides,
                          int64_t offset);
    static Tensor alias(const TensorImpl& like);  // same geometry, no history

    DType dtype() const { return get()->dtype; }
    int64_t dim() const { return get()->ndim; }
    int64_t numel() const { return get()->numel; }
    int64_t size(int64_t d) const { return get()->sizes()[wrap_dim(d, dim())]; }
    int64_t stride(int64_t d) const { return get()->strides()[wrap_dim(d, dim())]; }
    Dims shape() const { return Dims(get()->sizes(), get()->ndim); }
    Dims strides() const { return Dims(get()->strides(), get()->ndim); }
    int64_t offset() const {  // in elements
        return (get()->data - get()->storage->data) / static_cast<int64_t>(item_size(dtype()));
    }
    bool contiguous() const { return get()->flags & kContiguous; }
    bool has(TensorFlag flag) const { return get()->flags & flag; }
    template <class T>
    T* data() const {
        return reinterpret_cast<T*>(get()->data);
    }
    Scalar item() const;  // of a tensor with one element
};

// True if every index in bounds reaches memory inside the storage.
void check_in_storage(const Dims& shape, const Dims& strides, int64_t offset,
                      const Storage& storage, DType dtype);
// True when two different indices may reach the same element (expanded tensors).
bool may_overlap(const TensorImpl& impl);

}  // namespace chainrule
