#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/dims.h"
#include "bind/memory_search.h"

// What a MemorySearch found, as plain data that keeps nothing of the program alive: who made how
// many bytes, and for each tensor and node the references that lead to it.
namespace chainrule::bind {

enum class Kind : uint8_t {
    Parameter,
    Gradient,
    OptimizerState,
    Buffer,
    Plain,
    Saved,       // for backward; no Python object refers to it
    ViewBase,    // only a view of it is left
    GraphNodes,  // the nodes themselves
};
inline constexpr int kKinds = 8;

class Strings {
public:
    uint32_t add(const std::string& text);
    uint32_t add(PyObject* text);  // a str; the answer is remembered by object
    const std::string& at(uint32_t i) const { return texts_[i]; }

private:
    std::vector<std::string> texts_;
    std::unordered_map<std::string, uint32_t> positions_;
    std::unordered_map<PyObject*, uint32_t> objects_;
};

// A line of the user's program.
struct Line {
    uint32_t file;      // string
    uint32_t function;  // string: qualified name
    int line;
};

struct ShapeAndType {
    Dims shape;
    DType dtype;
};

// A link of a chain of references.
struct Link {
    uint32_t parent;
    Via via;
    What what;
    bool has_text;   // `label` is a string, else an index
    uint32_t about;  // of a tensor: its record; of a node: its description; else a string
    int64_t label;
};

struct NodeAbout {
    uint32_t name;  // string
    uint32_t line;  // or kNone
};

struct TensorAbout {
    const void* address;
    uint32_t link;
    uint32_t memory;
    uint32_t shape;
    uint32_t node;  // its grad_fn, as NodeAbout, or kNone
    Kind kind;
    bool view;  // looks into memory that counts with another tensor
    bool own;   // a graph's alias of its own result: no tensor that a user knows
};

// Memory counts once, with the tensor that has the best claim to it.
struct MemoryAbout {
    char* data;
    uint64_t nbytes;
    uint32_t owner = UINT32_MAX;  // TensorAbout, or none: a storage object
    uint32_t link = UINT32_MAX;
    uint32_t line = UINT32_MAX;
    uint32_t group = UINT32_MAX;
    uint32_t shape = UINT32_MAX;  // of the largest tensor over it
    int64_t numel = -1;           // of that
    uint8_t certainty = 0;        // of the line
    bool changed = false;         // the line is that of an in-place change
    bool foreign = false;         // memory of NumPy and the like
    bool small = false;           // stands in the slabs, not counted by the allocator
    Kind kind = Kind::ViewBase;
};

struct Group {
    uint32_t line;      // or kNone
    uint32_t variable;  // link; groups without a line are told by the variable that holds them
    uint64_t bytes[kKinds] = {};
    uint64_t counts[kKinds] = {};
    uint64_t views = 0;
    uint64_t headers = 0;  // bytes of tensors' and nodes' headers, not in `bytes`
    uint64_t changed = 0;  // bytes whose line is that of an in-place change
    uint64_t foreign = 0;
    uint32_t example = UINT32_MAX;  // link: the largest tensor of the variable that holds most
};

// Something that grows with every step of a loop.
struct Growth {
    bool list;       // a container of results, else one result that continues its own graph
    bool backwards;  // several backward passes ran through it: steps of a training loop
    uint32_t line;
    uint32_t link;
    uint64_t count;
    uint64_t bytes;
};

struct RootBytes {
    int64_t number;
    uint64_t bytes;
    uint64_t tensors;
};

class MemoryAccounts {
public:
    static constexpr uint32_t kNone = UINT32_MAX;

    MemoryAccounts(MemorySearch& search, const std::vector<TensorImpl*>& optimizer_state,
                   bool with_chains);

    Strings strings;
    std::vector<Line> lines;
    std::vector<ShapeAndType> shapes;
    std::vector<Link> links;
    std::vector<NodeAbout> nodes;
    std::vector<TensorAbout> tensors;
    std::vector<MemoryAbout> memory;
    std::vector<Group> groups;
    std::vector<Growth> growths;
    std::vector<RootBytes> roots;
    uint64_t node_count = 0;
    // Objects of the chains whose names only Python can tell, as (link, object).
    std::vector<std::pair<uint32_t, PyRef>> to_describe;
    struct Unnamed {
        uint32_t link;
        PyRef parent, child;
    };
    std::vector<Unnamed> to_name;                  // how does the parent refer to the child
    std::vector<std::pair<uint32_t, PyRef>> keys;  // of dicts, other than strings

private:
    uint32_t line_of(const SourceLocation& where);
    uint32_t line_of_node(uint32_t vertex);
    void collect_tensors(const std::vector<TensorImpl*>& optimizer_state);
    void collect_memory(uint32_t tensor, uint32_t vertex);
    void merge_overlapping();
    void make_groups();
    void add_nodes();
    void weigh();
    void find_growth();
    uint64_t count_items(uint32_t container, uint32_t line);
    void keep_chains();
    void describe(uint32_t vertex, uint32_t link);
    Group& group_of(uint32_t line, uint32_t vertex, uint32_t* position);
    void hold(uint32_t group, uint32_t vertex, uint64_t nbytes, bool tensor);
    void choose_examples();
    uint32_t shape_of(const TensorImpl& impl);
    uint32_t node_about(chainrule::Node& node, uint32_t line);

    MemorySearch& search_;
    std::vector<uint32_t> top_;     // by vertex: the variable that it hangs on
    std::vector<uint32_t> record_;  // by vertex: of a tensor
    std::vector<uint64_t> weight_;  // by vertex: bytes of it and of what it leads to
    std::unordered_map<uint64_t, uint32_t> line_positions_;
    std::unordered_map<std::string, uint32_t> shape_positions_;
    std::unordered_map<uint64_t, uint32_t> node_positions_;
    std::unordered_map<uint64_t, uint32_t> group_positions_;
    std::unordered_map<const void*, uint32_t> memory_positions_;
    // What one variable holds of a group.
    struct Holding {
        uint64_t bytes = 0;
        uint32_t largest = UINT32_MAX;  // vertex
        uint64_t largest_bytes = 0;
    };
    std::unordered_map<uint64_t, Holding> holdings_;
    struct Place {
        void* code;
        int32_t instruction;
        bool operator==(const Place&) const = default;
    };
    struct PlaceHash {
        size_t operator()(const Place& p) const {
            return (reinterpret_cast<uintptr_t>(p.code) >> 4) * 31 +
                   static_cast<size_t>(p.instruction);
        }
    };
    std::unordered_map<Place, uint32_t, PlaceHash> places_;
};

}  // namespace chainrule::bind
