# Compiler flags shared by all targets.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()
# The core is calls and branches: -O2 keeps it small. Kernels ask for -O3 themselves (isa.cmake).
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CCACHE_PROGRAM ccache)
mark_as_advanced(CCACHE_PROGRAM)
foreach(language IN ITEMS C CXX)
    if(CCACHE_PROGRAM AND NOT CMAKE_${language}_COMPILER_LAUNCHER)
        set(CMAKE_${language}_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
    endif()
endforeach()

add_library(chainrule_flags INTERFACE)
target_compile_features(chainrule_flags INTERFACE cxx_std_20)
target_include_directories(chainrule_flags INTERFACE
    "${CMAKE_CURRENT_SOURCE_DIR}/csrc" "${CMAKE_CURRENT_BINARY_DIR}/generated")
target_compile_options(chainrule_flags INTERFACE -Wall -Wextra -fno-plt)
if(CHAINRULE_WERROR)
    target_compile_options(chainrule_flags INTERFACE -Werror)
endif()
if(CHAINRULE_SANITIZE)
    # A finding must end the run: a printed line in a passing test is not seen.
    target_compile_options(chainrule_flags INTERFACE
        -fsanitize=${CHAINRULE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    target_link_options(chainrule_flags INTERFACE -fsanitize=${CHAINRULE_SANITIZE})
endif()

# Gives a target the common flags and makes it wait for the generated sources.
function(chainrule_configure_target target)
    set_target_properties(${target} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden
        CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON
        CXX_EXTENSIONS OFF)
    target_link_libraries(${target} PRIVATE chainrule_flags)
    add_dependencies(${target} chainrule_generated)
endfunction()
