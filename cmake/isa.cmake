# Compiles the kernels once per instruction set: one object library for each.

include(CheckCXXCompilerFlag)

set(CHAINRULE_ISAS isa_base)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND NOT CMAKE_OSX_ARCHITECTURES)
    set(avx2_flags -mavx2 -mfma -mbmi2)
    set(avx512_flags ${avx2_flags} -mavx512f -mavx512dq -mavx512bw -mavx512vl
        -mprefer-vector-width=512)
    set(CHAINRULE_FLAGS_isa_base -march=x86-64)
    set(CHAINRULE_FLAGS_isa_avx2 -march=x86-64 ${avx2_flags})
    set(CHAINRULE_FLAGS_isa_avx512 -march=x86-64 ${avx512_flags})
    list(APPEND CHAINRULE_ISAS isa_avx2 isa_avx512)
else()
    target_compile_definitions(chainrule_flags INTERFACE CHAINRULE_ONLY_BASE_ISA)
endif()

# NaN and infinity stay exact: of the fast-math family only these switches are safe.
set(CHAINRULE_KERNEL_FLAGS -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast)
check_cxx_compiler_flag(-fopenmp-simd CHAINRULE_HAS_OPENMP_SIMD)
if(CHAINRULE_HAS_OPENMP_SIMD)
    list(APPEND CHAINRULE_KERNEL_FLAGS -fopenmp-simd)
endif()
if(CHAINRULE_SANITIZE)
    # Integer elements wrap around, as in torch: no finding. Offsets in the core are still checked.
    list(TRANSFORM CHAINRULE_KERNEL_FLAGS REPLACE "^-O3$" "-O1")
    list(APPEND CHAINRULE_KERNEL_FLAGS -fwrapv)
endif()

# Defines chainrule_kernels_<isa> for every instruction set of the target processor.
function(chainrule_add_isa_libraries)
    set(level 0)
    foreach(isa IN LISTS CHAINRULE_ISAS)
        set(target chainrule_kernels_${isa})
        add_library(${target} OBJECT ${ARGN})
        chainrule_configure_target(${target})
        target_compile_definitions(${target} PRIVATE
            CHAINRULE_ISA=${isa} CHAINRULE_ISA_LEVEL=${level})
        target_compile_options(${target} PRIVATE
            ${CHAINRULE_KERNEL_FLAGS} ${CHAINRULE_FLAGS_${isa}})
        math(EXPR level "${level} + 1")
    endforeach()
endfunction()
