#include "bind/memory_accounts.h"

#include <algorithm>
#include <cstring>

#include "autograd/no_graph.h"
#include "autograd/saved.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

namespace {

constexpr size_t kStorageHeader = (sizeof(Storage) + 15) / 16 * 16;

// How sure it is that a line made a piece of memory; the surest wins.
enum Certainty : uint8_t { kNothing, kCutOff, kSavedAt, kChangedAt, kRecordedAt, kMadeAt };

// The function by which a second storage over the same bytes lets go of the first.
void (*alias_release())(void*) {
    static void (*known)(void*) = nullptr;
    if (known) return known;
    Storage* first = Storage::create(16);
    Storage* second = Storage::alias(first);
    known = second->release_owner;
    second->release();
    first->release();
    return known;
}

size_t node_size(chainrule::Node& node) {
    struct Count final : SavedVisitor {
        size_t tensors = 0;
        void tensor(const char*, Saved&) override { ++tensors; }
        void scalar(const char*, const Scalar&) override { ++tensors; }
        void dims(const char*, const Dims&) override {}
        void flag(const char*, bool) override {}
        void tensor_list(const char*, std::vector<Saved>& list) override { tensors += list.size(); }
    } count;
    node.visit_saved(count);
    size_t size = sizeof(chainrule::Node) + 8 + node.num_inputs() * sizeof(Edge) +
                  count.tensors * sizeof(Saved);
    return (size + 15) / 16 * 16;
}

size_t header_size(const TensorImpl& impl) {
    return (sizeof(TensorImpl) + 15) / 16 * 16 + kStorageHeader +
           (impl.python_object ? sizeof(PyTensor) + 16 : 0);
}

// The better the claim, the larger: memory that several tensors share counts with the best.
Kind kind_of(const TensorImpl& impl, uint8_t facts) {
    if ((impl.flags & kRequiresGrad) && !impl.grad_fn) return Kind::Parameter;
    if (facts & kIsGradient) return Kind::Gradient;
    if (facts & kIsOptimizerState) return Kind::OptimizerState;
    if (facts & kIsBuffer) return Kind::Buffer;
    if (facts & kHeld) return Kind::Plain;
    if (facts & kSavedByNode) return Kind::Saved;
    return Kind::ViewBase;
}

const char* short_name(PyTypeObject* type) {
    const char* dot = std::strrchr(type->tp_name, '.');
    return dot ? dot + 1 : type->tp_name;
}

bool is_container(PyObject* object) {
    return PyList_CheckExact(object) || PyTuple_CheckExact(object) || PyDict_CheckExact(object) ||
           PyAnySet_Check(object) || PyCell_Check(object);
}

}  // namespace

uint32_t Strings::add(const std::string& text) {
    auto [found, fresh] = positions_.emplace(text, static_cast<uint32_t>(texts_.size()));
    if (fresh) texts_.push_back(text);
    return found->second;
}

uint32_t Strings::add(PyObject* text) {
    auto found = objects_.find(text);
    if (found != objects_.end()) return found->second;
    const char* utf8 = PyUnicode_AsUTF8(text);
    if (!utf8) PyErr_Clear();
    uint32_t at = add(std::string(utf8 ? utf8 : "?"));
    objects_.emplace(text, at);
    return at;
}

MemoryAccounts::MemoryAccounts(MemorySearch& search,
                               const std::vector<TensorImpl*>& optimizer_state, bool with_chains)
    : search_(search) {
    collect_tensors(optimizer_state);
    merge_overlapping();
    make_groups();
    add_nodes();
    choose_examples();
    if (with_chains) {
        weigh();
        find_growth();
        keep_chains();
    }
}

uint32_t MemoryAccounts::line_of(const SourceLocation& where) {
    if (!where.code) return kNone;
    auto [place, fresh] = places_.emplace(Place{where.code, where.instruction}, kNone);
    if (!fresh) return place->second;
    auto* code = static_cast<PyCodeObject*>(where.code);
    // Each statement of an interactive session is line 1 of a file of this name: no place at all.
    if (PyUnicode_CompareWithASCIIString(code->co_filename, "<stdin>") == 0) return kNone;
    int number = PyCode_Addr2Line(code, where.instruction);
    Line line{strings.add(code->co_filename), strings.add(code->co_qualname), number};
    uint64_t key = static_cast<uint64_t>(line.file) << 32 | static_cast<uint32_t>(number);
    auto [known, first] = line_positions_.emplace(key, static_cast<uint32_t>(lines.size()));
    if (first) lines.push_back(line);
    return place->second = known->second;
}

// Of a node without a line of its own, such as AccumulateGrad: that of the node that led to it.
uint32_t MemoryAccounts::line_of_node(uint32_t vertex) {
    auto& all = search_.vertices();
    for (int hops = 0; hops < 4; ++hops) {
        const Vertex& v = all[vertex];
        if (v.what != What::Node) return kNone;
        auto* node = static_cast<chainrule::Node*>(v.pointer);
        if (node->where().code) return line_of(node->where());
        vertex = v.parent;
    }
    return kNone;
}

uint32_t MemoryAccounts::shape_of(const TensorImpl& impl) {
    std::string key(reinterpret_cast<const char*>(impl.sizes()), impl.ndim * sizeof(int64_t));
    key.push_back(static_cast<char>(impl.dtype));
    auto [found, fresh] =
        shape_positions_.emplace(std::move(key), static_cast<uint32_t>(shapes.size()));
    if (fresh) shapes.push_back({Dims(impl.sizes(), impl.ndim), impl.dtype});
    return found->second;
}

uint32_t MemoryAccounts::node_about(chainrule::Node& node, uint32_t line) {
    uint32_t name = strings.add(std::string(node.name()));
    uint64_t key = static_cast<uint64_t>(name) << 32 | line;
    auto [found, fresh] = node_positions_.emplace(key, static_cast<uint32_t>(nodes.size()));
    if (fresh) nodes.push_back({name, line});
    return found->second;
}

void MemoryAccounts::collect_tensors(const std::vector<TensorImpl*>& optimizer_state) {
    auto& all = search_.vertices();
    for (TensorImpl* impl : optimizer_state) {
        uint32_t at = search_.find(impl);
        if (at != kNone) all[at].facts |= kIsOptimizerState;
    }
    record_.assign(all.size(), kNone);
    top_.assign(all.size(), kNone);
    for (uint32_t v = 0; v < all.size(); ++v) {
        const Vertex& x = all[v];
        bool names = false;  // the parent's children are variables
        if (x.parent != kNone && all[x.parent].via == Via::Root &&
            x.stage <= MemorySearch::kLibrary) {
            auto* object = static_cast<PyObject*>(all[x.parent].pointer);
            names = object && (PyDict_Check(object) || PyFrame_Check(object));
        }
        bool first = x.what == What::Root || x.via == Via::Root;
        top_[v] = first || names ? v : top_[x.parent];
        if (x.what != What::Tensor) continue;
        auto& impl = *static_cast<TensorImpl*>(x.pointer);
        TensorAbout t{};
        t.address = &impl;
        t.link = v;
        t.shape = shape_of(impl);
        t.kind = kind_of(impl, x.facts);
        t.own = (x.facts & kSavedResult) && !(x.facts & kHeld);
        t.node = impl.grad_fn ? node_about(*impl.grad_fn, line_of(impl.grad_fn->where())) : kNone;
        record_[v] = static_cast<uint32_t>(tensors.size());
        tensors.push_back(t);
        collect_memory(record_[v], v);
    }
    for (const HeldMemory& held : search_.held_memory()) {
        auto [found, fresh] =
            memory_positions_.emplace(held.data, static_cast<uint32_t>(memory.size()));
        if (!fresh) continue;
        MemoryAbout m{};
        m.data = held.data;
        m.nbytes = held.nbytes;
        m.link = held.vertex;
        m.kind = Kind::Plain;
        memory.push_back(m);
    }
}

void MemoryAccounts::collect_memory(uint32_t tensor, uint32_t vertex) {
    TensorAbout& t = tensors[tensor];
    const Vertex& x = search_.vertices()[vertex];
    auto& impl = *static_cast<TensorImpl*>(x.pointer);
    Storage& storage = *impl.storage;
    const void* key = storage.nbytes ? static_cast<const void*>(storage.data) : &storage;
    auto [found, fresh] = memory_positions_.emplace(key, static_cast<uint32_t>(memory.size()));
    t.memory = found->second;
    if (fresh) {
        MemoryAbout m{};
        m.data = storage.data;
        m.nbytes = storage.nbytes;
        ptrdiff_t behind = storage.data - reinterpret_cast<char*>(&storage);
        m.small = !storage.release_owner && behind > 0 && behind <= 256;
        m.foreign = storage.release_owner && storage.release_owner != alias_release();
        memory.push_back(m);
    }
    MemoryAbout& m = memory[t.memory];
    bool better = m.owner == kNone || t.kind < m.kind ||
                  (t.kind == m.kind && (tensors[m.owner].own || tensors[m.owner].view) && !t.own &&
                   !(impl.flags & kView));
    if (better) {
        if (m.owner != kNone && !tensors[m.owner].own) tensors[m.owner].view = true;
        m.owner = tensor;
        m.link = vertex;
        m.kind = t.kind;
    }
    t.view = !better || (impl.flags & kView);
    if (impl.numel > m.numel) {
        m.numel = impl.numel;
        m.shape = t.shape;
    }
    auto claim = [&](Certainty certainty, const SourceLocation& where) {
        if (certainty <= m.certainty || !where.code) return;
        m.certainty = certainty;
        m.line = line_of(where);
        m.changed = certainty == kChangedAt;
    };
    claim(storage.version == 0 ? kMadeAt : kChangedAt, storage.changed);
    if (impl.grad_fn && !(impl.flags & kView)) claim(kRecordedAt, impl.grad_fn->where());
    const Vertex& parent = search_.vertices()[x.parent];
    if ((x.facts & kSavedResult) && parent.what == What::Node) {
        claim(kSavedAt, static_cast<chainrule::Node*>(parent.pointer)->where());
    }
    if (NoGraph* reason = no_graph_of(impl)) claim(kCutOff, reason->where);
}

// Foreign memory may lie inside memory of ours, as in from_numpy(t.numpy()[10:]).
void MemoryAccounts::merge_overlapping() {
    if (std::none_of(memory.begin(), memory.end(), [](auto& m) { return m.foreign; })) return;
    std::vector<uint32_t> order(memory.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        if (memory[a].data != memory[b].data) return memory[a].data < memory[b].data;
        return memory[a].nbytes > memory[b].nbytes;
    });
    MemoryAbout* last = nullptr;
    for (uint32_t i : order) {
        MemoryAbout& m = memory[i];
        if (!m.nbytes) continue;
        if (last && m.data < last->data + last->nbytes && (m.foreign || last->foreign)) {
            char* end = std::max(last->data + last->nbytes, m.data + m.nbytes);
            last->nbytes = static_cast<uint64_t>(end - last->data);
            last->foreign = last->foreign && m.foreign;
            m.nbytes = 0;
            if (m.owner != kNone) tensors[m.owner].view = true;
        } else {
            last = &m;
        }
    }
}

Group& MemoryAccounts::group_of(uint32_t line, uint32_t vertex, uint32_t* position) {
    uint64_t key = line != kNone ? line : (uint64_t{1} << 32 | top_[vertex]);
    auto [found, fresh] = group_positions_.emplace(key, static_cast<uint32_t>(groups.size()));
    if (fresh) {
        groups.emplace_back();
        groups.back().line = line;
        groups.back().variable = line != kNone ? kNone : top_[vertex];
    }
    *position = found->second;
    return groups[found->second];
}

void MemoryAccounts::make_groups() {
    for (MemoryAbout& m : memory) {
        Group& g = group_of(m.line, m.link, &m.group);
        hold(m.group, m.link, m.nbytes, true);
        // A second claim on memory that counts elsewhere already counts as a view.
        if (m.owner != kNone && tensors[m.owner].view && !m.nbytes) continue;
        g.bytes[static_cast<int>(m.kind)] += m.nbytes;
        ++g.counts[static_cast<int>(m.kind)];
        if (m.changed) g.changed += m.nbytes;
        if (m.foreign) g.foreign += m.nbytes;
    }
    for (const TensorAbout& t : tensors) {
        Group& g = groups[memory[t.memory].group];
        uint32_t owner = memory[t.memory].owner;
        if (&t != &tensors[owner] && !t.own && (search_.vertices()[t.link].facts & kHeld)) {
            ++g.views;
        }
        g.headers += header_size(*static_cast<const TensorImpl*>(t.address));
    }
}

void MemoryAccounts::add_nodes() {
    auto& all = search_.vertices();
    constexpr int kNode = static_cast<int>(Kind::GraphNodes);
    for (uint32_t v = 0; v < all.size(); ++v) {
        if (all[v].what != What::Node) continue;
        ++node_count;
        uint32_t position;
        Group& g = group_of(line_of_node(v), v, &position);
        uint64_t nbytes = node_size(*static_cast<chainrule::Node*>(all[v].pointer));
        ++g.counts[kNode];
        g.bytes[kNode] += nbytes;
        hold(position, v, nbytes, false);
    }
}

void MemoryAccounts::hold(uint32_t group, uint32_t vertex, uint64_t nbytes, bool tensor) {
    Holding& h = holdings_[static_cast<uint64_t>(group) << 32 | top_[vertex]];
    h.bytes += nbytes;
    // Any tensor is a better example than a node.
    if (h.largest == kNone || (tensor && nbytes > h.largest_bytes)) {
        h.largest = vertex;
        h.largest_bytes = tensor ? nbytes : 0;
    }
}

void MemoryAccounts::choose_examples() {
    std::vector<const Holding*> most(groups.size(), nullptr);
    for (auto& [key, holding] : holdings_) {
        const Holding*& best = most[key >> 32];
        bool better = !best || holding.bytes > best->bytes ||
                      (holding.bytes == best->bytes && holding.largest < best->largest);
        if (better) best = &holding;
    }
    for (size_t i = 0; i < groups.size(); ++i) {
        if (most[i]) groups[i].example = most[i]->largest;
    }
}

// What each vertex holds: its own bytes and those of what was found through it.
void MemoryAccounts::weigh() {
    auto& all = search_.vertices();
    weight_.assign(all.size(), 0);
    std::vector<uint32_t> count(all.size(), 0);
    for (const MemoryAbout& m : memory) {
        if (m.link == kNone) continue;
        weight_[m.link] += m.nbytes;
        ++count[m.link];
    }
    for (auto v = static_cast<uint32_t>(all.size()); v-- > 0;) {
        if (all[v].what == What::Node) {
            weight_[v] += node_size(*static_cast<chainrule::Node*>(all[v].pointer));
        }
        if (all[v].parent == kNone) {
            roots.push_back({all[v].label.index, weight_[v], count[v]});
            continue;
        }
        weight_[all[v].parent] += weight_[v];
        count[all[v].parent] += count[v];
    }
    std::reverse(roots.begin(), roots.end());
}

void MemoryAccounts::describe(uint32_t vertex, uint32_t link) {
    const Vertex& x = search_.vertices()[vertex];
    Link& l = links[link];
    auto* object = static_cast<PyObject*>(x.pointer);
    if (x.what == What::Object) {
        l.about = strings.add(std::string(short_name(Py_TYPE(object))));
        if (!is_container(object)) to_describe.emplace_back(link, PyRef::share(object));
    }
    switch (x.via) {
        case Via::Key:
        case Via::Local:
            if (PyUnicode_CheckExact(x.label.object)) {
                l.label = strings.add(x.label.object);
                l.has_text = true;
            } else {
                keys.emplace_back(link, PyRef::share(x.label.object));
            }
            return;
        case Via::Saved:
            l.label = strings.add(std::string(x.label.text));
            l.has_text = true;
            return;
        case Via::Referent: {
            const Vertex& parent = search_.vertices()[x.parent];
            if (parent.what == What::Node) return;
            auto child_object = x.what == What::Tensor
                                    ? static_cast<TensorImpl*>(x.pointer)->python_object
                                    : x.pointer;
            auto parent_object = parent.what == What::Tensor
                                     ? static_cast<TensorImpl*>(parent.pointer)->python_object
                                     : parent.pointer;
            if (!child_object || !parent_object || x.what == What::Node) return;
            to_name.push_back({link, PyRef::share(static_cast<PyObject*>(parent_object)),
                               PyRef::share(static_cast<PyObject*>(child_object))});
            return;
        }
        default:
            l.label = x.label.index;
    }
}

// Keeps the vertices that lead to a tensor or a node; the numbers of all others' are forgotten.
void MemoryAccounts::keep_chains() {
    auto& all = search_.vertices();
    std::vector<bool> kept(all.size(), false);
    for (auto v = static_cast<uint32_t>(all.size()); v-- > 0;) {
        What what = all[v].what;
        if (what == What::Tensor || what == What::Node || what == What::Root) kept[v] = true;
        if (kept[v] && all[v].parent != kNone) kept[all[v].parent] = true;
    }
    for (const HeldMemory& held : search_.held_memory()) {
        for (uint32_t v = held.vertex; v != kNone && !kept[v]; v = all[v].parent) kept[v] = true;
    }
    for (Group& g : groups) {
        for (uint32_t v = g.variable; v != kNone && !kept[v]; v = all[v].parent) kept[v] = true;
    }
    std::vector<uint32_t> position(all.size(), kNone);
    for (uint32_t v = 0; v < all.size(); ++v) {
        if (!kept[v]) continue;
        const Vertex& x = all[v];
        auto at = static_cast<uint32_t>(links.size());
        position[v] = at;
        uint32_t parent = x.parent == kNone ? kNone : position[x.parent];
        links.push_back({parent, x.via, x.what, false, kNone, 0});
        describe(v, at);
        if (x.what == What::Tensor) {
            links[at].about = record_[v];
        } else if (x.what == What::Node) {
            links[at].about =
                node_about(*static_cast<chainrule::Node*>(x.pointer), line_of_node(v));
        }
    }
    auto moved = [&](uint32_t v) { return v == kNone ? kNone : position[v]; };
    for (TensorAbout& t : tensors) t.link = moved(t.link);
    for (MemoryAbout& m : memory) m.link = moved(m.link);
    for (Group& g : groups) {
        g.variable = moved(g.variable);
        g.example = moved(g.example);
    }
    for (Growth& g : growths) g.link = moved(g.link);
}

}  // namespace chainrule::bind
