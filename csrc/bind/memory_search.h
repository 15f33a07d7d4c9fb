#pragma once

#include <unordered_map>
#include <vector>

#include "autograd/node.h"
#include "bind/python.h"

// Who refers to what, breadth first from the program's variables: for chainrule.memory().
// Nothing is registered while a program runs; the search finds all tensors when asked. It runs no
// Python code and holds no references, so what it collects is valid only until Python runs again.
namespace chainrule::bind {

enum class What : uint8_t { Root, Object, Tensor, Node };

// How the parent refers to a vertex.
enum class Via : uint8_t {
    Root,
    Item,      // list, tuple: index
    Key,       // dict: the key
    AsKey,     // it is itself a key of the dict
    Local,     // variable of a frame
    Stack,     // temporary of a frame
    Referent,  // the object refers to it somehow
    GradFn,
    Gradient,
    Base,
    Tangent,
    Hook,
    Input,     // of a node: its next node; index
    Saved,     // of a node; name
    Variable,  // of AccumulateGrad
    Context,   // the ctx of a custom Function
    Handle,    // a Python handle of a node or of a tensor's memory
    Memory,    // the object whose memory the tensor uses
};

// What is known of a tensor from all references to it, not only the first.
enum TensorFact : uint8_t {
    kHeld = 1 << 0,         // by a Python object
    kSavedByNode = 1 << 1,  // for backward
    kIsGradient = 1 << 2,
    kIsBuffer = 1 << 3,
    kIsOptimizerState = 1 << 4,
    kSavedResult = 1 << 5,  // the alias that a node keeps of its own result
};

union Label {
    int64_t index;
    const char* text;  // lives forever
    PyObject* object;  // borrowed
};

struct Vertex {
    void* pointer;    // PyObject*, TensorImpl* or Node*, borrowed
    uint32_t parent;  // the vertex that led here first
    Via via;
    What what;
    uint8_t facts;  // TensorFact
    uint8_t stage;  // which kind of root led here
    Label label;
};

// Memory that a Python object holds without a tensor: a storage object.
struct HeldMemory {
    uint32_t vertex;
    char* data;
    size_t nbytes;
};

class MemorySearch {
public:
    static constexpr uint32_t kNone = UINT32_MAX;
    // The stages: the user's roots, everything else with a name, then what only C code holds, then
    // cycles that nobody holds.
    enum Stage : uint8_t { kUser, kLibrary, kNative, kCycle };

    MemorySearch();

    // Roots must be added before the first run. `number` is the caller's.
    void add_root(PyObject* object, Stage stage, int64_t number);
    // An object that is only looked into when nothing else is left, such as an optimizer: a chain
    // is better told by the model whose parameters it shares.
    void add_late(PyObject* object);
    // A module's dict is only looked into as a root of its own.
    void add_namespace(PyObject* dict);
    // Searches what the roots of kUser and kLibrary lead to.
    void run();
    // Searches what the cycle collector knows and no root led to; `objects` is its list. `native`
    // and `cycle` are the numbers of the two roots.
    void run_rest(PyObject* objects, int64_t native, int64_t cycle);

    uint32_t find(const void* pointer) const;
    std::vector<Vertex>& vertices() { return vertices_; }
    const std::vector<HeldMemory>& held_memory() const { return held_memory_; }

private:
    enum class Class : uint8_t {
        Unseen,
        Ignored,
        Plain,  // whatever the cycle collector can look into
        Tensor,
        List,
        Tuple,
        Dict,
        Module,
        Function,
        Frame,
        Node,
        Handle,  // of a hook
        Array,
        Storage,
    };
    struct Deferred {
        PyObject* object;
        uint32_t parent;
        Via via;
        Label label;
    };

    Class class_of(PyTypeObject* type);
    static Class classify(PyTypeObject* type);
    uint32_t add(void* pointer, What what, uint32_t parent, Via via, Label label);
    void meet(PyObject* object, uint32_t parent, Via via, Label label = {0});
    void meet_now(PyObject* object, uint32_t parent, Via via, Label label);
    void meet_tensor(TensorImpl* impl, uint32_t parent, Via via, uint8_t fact, Label label = {0});
    void meet_node(chainrule::Node* node, uint32_t parent, Via via, int64_t index);
    void defer(PyObject* object, uint32_t parent, Via via);
    void exhaust();
    void expand(uint32_t at);
    void expand_object(uint32_t at, PyObject* object);
    void expand_dict(uint32_t at, PyObject* dict);
    void expand_namespace(uint32_t at, PyObject* dict);
    void expand_function(uint32_t at, PyObject* function);
    void expand_frame(uint32_t at, PyObject* frame);
    void expand_array(uint32_t at, PyObject* array);
    void expand_storage(uint32_t at, PyObject* storage);
    void expand_tensor(uint32_t at, TensorImpl& impl);
    void expand_node(uint32_t at, chainrule::Node& node);
    void traverse(uint32_t at, PyObject* object);
    void grow_table();
    static size_t hash(const void* pointer) {
        auto bits = reinterpret_cast<uintptr_t>(pointer);
        return (bits >> 4) * 0x9E3779B97F4A7C15u >> 20;
    }

    std::vector<Vertex> vertices_;
    std::vector<uint32_t> table_;  // open addressing; positions in vertices_
    std::vector<HeldMemory> held_memory_;
    std::vector<Deferred> deferred_;  // to the next stage
    std::vector<Deferred> late_;      // to the end of this stage
    std::unordered_map<PyObject*, bool> late_objects_;
    std::unordered_map<PyObject*, bool> namespaces_;  // and modules; true: in deferred_ already
    std::unordered_map<PyTypeObject*, Class> classes_;
    PyTypeObject* last_type_ = nullptr;
    Class last_class_ = Class::Unseen;
    uint32_t next_ = 0;  // to be expanded
    Stage stage_ = kUser;
};

}  // namespace chainrule::bind
