#include "base/source_location.h"

#include "base/interpreter_lock.h"

namespace chainrule {

FrontEnd g_front_end;
InterpreterLock g_interpreter_lock;

SourceLocation copy_location(const SourceLocation& location) {
    if (location.code) g_front_end.retain(location.code);
    return location;
}

std::string describe_location(const SourceLocation& location) {
    if (!location.code || !g_front_end.describe) return "";
    return g_front_end.describe(location);
}

}  // namespace chainrule
