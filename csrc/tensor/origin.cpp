#include "tensor/origin.h"

#include "base/message.h"

namespace chainrule {

std::string (*g_describe_origin)(const TensorImpl& t) = nullptr;

namespace {
std::string from(const TensorImpl& t) {
    std::string origin = g_describe_origin ? g_describe_origin(t) : std::string();
    return origin.empty() ? origin : concat(", ", origin);
}
}  // namespace

std::string (*g_describe_running_module)() = nullptr;

std::string note_running_module() {
    std::string module = g_describe_running_module ? g_describe_running_module() : std::string();
    return module.empty() ? module : note("It happened in ", module, ".");
}

std::string note_shape(const char* name, const TensorImpl& t) {
    return note(name, ": shape ", to_string(Dims(t.sizes(), t.ndim)), from(t));
}

std::string note_dtype(const char* name, const TensorImpl& t) {
    return note(name, ": torch.", dtype_name(t.dtype), from(t));
}

}  // namespace chainrule
