#include "autograd/origin.h"

#include "base/message.h"

namespace chainrule {

std::string (*g_describe_module)(const ModuleScope& scope) = nullptr;
std::string (*g_describe_parameter)(const ModuleScope& scope, const TensorImpl& leaf) = nullptr;

std::string describe_origin(const TensorImpl& t) {
    if (t.grad_fn) return concat("result of ", t.grad_fn->described());
    const Storage& storage = *t.storage;
    std::string line = describe_line(storage.changed);
    if (line.empty()) return line;
    return concat(storage.version ? "last changed at " : "made at ", line);
}

std::string operation_of(const Node& node) {
    std::string name = node.name();
    size_t end = name.rfind("Backward");
    return end == std::string::npos || end == 0 ? name : name.substr(0, end);
}

}  // namespace chainrule
