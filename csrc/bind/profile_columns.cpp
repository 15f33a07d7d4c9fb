#include "bind/profile_columns.h"

#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "autograd/module_scope.h"
#include "base/dtype.h"
#include "bind/place_object.h"
#include "bind/scope_object.h"

namespace chainrule::bind {

namespace {

// Numbers each distinct key in the order of first sight.
template <class Key>
class Numbers {
public:
    template <class Make>
    int64_t of(const Key& key, Make make) {
        auto [at, fresh] = index_.emplace(key, PyList_GET_SIZE(list.get()));
        if (fresh) {
            PyRef item = checked(make());
            checked(PyList_Append(list.get(), item.get()));
        }
        return at->second;
    }
    int64_t find(const Key& key) const {
        auto at = index_.find(key);
        return at == index_.end() ? -1 : at->second;
    }
    PyRef list = checked(PyList_New(0));

private:
    std::map<Key, int64_t> index_;
};

class Columns {
public:
    explicit Columns(Profile& profile) : profile_(profile) {}

    PyObject* make() {
        const char* names[] = {"name",  "kind",   "start",  "end",   "bytes",  "sequence", "place",
                               "scope", "parent", "shapes", "stack", "thread", "failed"};
        constexpr size_t kColumns = std::size(names);
        const Py_ssize_t count = profile_.size();
        PyRef lists[kColumns];
        for (PyRef& list : lists) list = checked(PyList_New(count));
        for (Py_ssize_t row = 0; row < count; ++row) {
            const ProfileEvent& e = profile_[static_cast<uint32_t>(row)];
            const int64_t values[kColumns] = {name_of(e),
                                              static_cast<int64_t>(e.kind),
                                              e.start,
                                              e.end,
                                              e.bytes,
                                              e.sequence,
                                              place_of(e.where),
                                              scope_of(e.scope),
                                              e.parent == kNoEvent ? -1 : int64_t{e.parent},
                                              shapes_of(e.shapes),
                                              int64_t{e.stack},
                                              int64_t{e.thread},
                                              int64_t{e.failed}};
            for (size_t c = 0; c < kColumns; ++c) {
                PyList_SET_ITEM(lists[c].get(), row,
                                checked(PyLong_FromLongLong(values[c])).leak());
            }
        }
        PyRef result = checked(PyDict_New());
        for (size_t c = 0; c < kColumns; ++c) set(result, names[c], lists[c]);
        set(result, "names", names_.list);
        set(result, "places", places_.list);
        set(result, "scopes", scopes_.list);
        set(result, "shape_lists", shapes_.list);
        PyRef threads = checked(PyList_New(0));
        for (int64_t number : profile_.threads) {
            PyRef item = checked(PyLong_FromLongLong(number));
            checked(PyList_Append(threads.get(), item.get()));
        }
        set(result, "threads", threads);
        PyRef notes = checked(PyDict_New());
        for (const auto& [event, text] : profile_.notes) {
            PyRef key = checked(PyLong_FromUnsignedLong(event));
            PyRef value = checked(PyUnicode_FromString(text.c_str()));
            checked(PyDict_SetItem(notes.get(), key.get(), value.get()));
        }
        set(result, "notes", notes);
        return result.leak();
    }

private:
    static void set(const PyRef& dict, const char* name, const PyRef& value) {
        checked(PyDict_SetItemString(dict.get(), name, value.get()));
    }
    int64_t name_of(const ProfileEvent& e) {
        if (!e.name) return -1;
        return names_.of(e.name, [&] { return PyUnicode_FromString(e.name); });
    }
    int64_t place_of(const SourceLocation& where) {
        if (!where.code) return -1;
        return places_.of({static_cast<PyObject*>(where.code), where.instruction},
                          [&] { return place_object(where.code, where.instruction).leak(); });
    }
    // (index of the enclosing call, module or None, class name, number of the call)
    int64_t scope_of(const ModuleScope* scope) {
        if (!scope) return -1;
        if (int64_t known = scopes_.find(scope); known >= 0) return known;
        int64_t parent = scope_of(scope->parent);
        return scopes_.of(scope, [&] { return scope_object(parent, *scope).leak(); });
    }
    int64_t shapes_of(uint32_t at) {
        if (!at) return -1;
        const int64_t* p = &profile_.shapes[at];
        const int64_t* end = p + 1;
        for (int64_t i = 0; i < *p; ++i) end += 2 + end[1];
        return shapes_.of(std::vector<int64_t>(p, end), [&] { return shape_list(p); });
    }
    // [(dtype, [size, ...]), ...]
    static PyObject* shape_list(const int64_t* p) {
        const int64_t count = *p++;
        PyRef list = checked(PyList_New(count));
        for (int64_t i = 0; i < count; ++i) {
            const char* dtype = dtype_name(static_cast<DType>(*p++));
            const int64_t ndim = *p++;
            PyRef sizes = checked(PyList_New(ndim));
            for (int64_t d = 0; d < ndim; ++d) {
                PyList_SET_ITEM(sizes.get(), d, checked(PyLong_FromLongLong(*p++)).leak());
            }
            PyList_SET_ITEM(list.get(), i,
                            checked(Py_BuildValue("(sO)", dtype, sizes.get())).leak());
        }
        return list.leak();
    }

    Profile& profile_;
    Numbers<const char*> names_;  // one text may have several
    Numbers<std::pair<PyObject*, int>> places_;
    Numbers<const ModuleScope*> scopes_;
    Numbers<std::vector<int64_t>> shapes_;
};

}  // namespace

PyRef profile_columns(Profile& profile) { return PyRef(Columns(profile).make()); }

}  // namespace chainrule::bind
