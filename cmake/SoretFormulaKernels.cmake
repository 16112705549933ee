# soret_formula_kernels(TARGET SOURCE): compiles CUDA kernels that call formulas which are known at run time only
# (src/soret/base/formula_cuda.hpp) to LTO-IR and puts it into TARGET. For FOLDER/NAME.cuh the bytes run from
# soret_NAME to soret_NAME_end. One form for the oldest architecture serves all newer ones.
function(soret_formula_kernels target source)
  if(NOT SORET_HAVE_CUDA)
    return()
  endif()
  set(oldest 75)
  string(REGEX MATCHALL "[0-9]+" numbers "${CMAKE_CUDA_ARCHITECTURES}")
  if(numbers)
    list(SORT numbers COMPARE NATURAL)
    list(GET numbers 0 oldest)
  endif()
  get_filename_component(name ${source} NAME_WE)
  set(path ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  set(code ${CMAKE_CURRENT_BINARY_DIR}/${name}.fatbin)
  add_custom_command(OUTPUT ${code}
    COMMAND ${CMAKE_CUDA_COMPILER} -x cu -fatbin -rdc=true -gencode arch=compute_${oldest},code=lto_${oldest}
      -std=c++20 -O3 -fmad=false --expt-relaxed-constexpr -ccbin ${CMAKE_CXX_COMPILER}
      -I${CMAKE_SOURCE_DIR}/src -MD -MF ${code}.d -MT ${code} -o ${code} ${path}
    DEPENDS ${path} DEPFILE ${code}.d
    COMMENT "Compiling ${source} for run-time linking"
    VERBATIM)
  set(holder ${CMAKE_CURRENT_BINARY_DIR}/${name}_code.cpp)
  file(CONFIGURE OUTPUT ${holder} @ONLY CONTENT [[
asm(R"(
  .pushsection .rodata
  .balign 16
  .global soret_@name@
soret_@name@:
  .incbin "@code@"
  .global soret_@name@_end
soret_@name@_end:
  .popsection
)");
]])
  set_source_files_properties(${holder} PROPERTIES OBJECT_DEPENDS ${code})
  target_sources(${target} PRIVATE ${holder})
endfunction()
