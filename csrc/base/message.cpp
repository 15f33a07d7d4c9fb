#include "base/message.h"

namespace chainrule {

std::string describe_line(const SourceLocation& location) {
    std::string place = describe_location(location);
    if (place.empty() || !g_front_end.line_text) return place;
    std::string text = g_front_end.line_text(location);
    return text.empty() ? place : concat(place, ":  ", text);
}

bool is_here(const SourceLocation& location) {
    SourceLocation now;
    if (g_front_end.peek) g_front_end.peek(&now);
    return now.code && same_place(now, location);
}

}  // namespace chainrule
