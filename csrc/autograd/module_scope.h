#pragma once

#include <cstdint>

#include "base/freelist.h"
#include "base/ref.h"
#include "base/source_location.h"

namespace chainrule {

// One running call of an nn.Module: nodes recorded during it remember it, so that a picture can
// fold them by module. The module is held weakly, and of its class only the name: a graph keeps no
// module alive, nor the program that the class refers to.
struct ModuleScope {
    uint32_t refcount = 1;
    uint32_t call = 0;              // number of the call in this process
    ModuleScope* parent = nullptr;  // owned
    void* module = nullptr;         // owned weak reference to the module
    void* type_name = nullptr;      // owned; of its class

    static ModuleScope* create() { return new (node_alloc(sizeof(ModuleScope))) ModuleScope; }
    void retain() { count_up(refcount); }
    void release() {
        if (!count_down(refcount)) return;
        if (parent) parent->release();
        if (module) g_front_end.release(module);
        if (type_name) g_front_end.release(type_name);
        node_free(this, sizeof(ModuleScope));
    }
};

}  // namespace chainrule
