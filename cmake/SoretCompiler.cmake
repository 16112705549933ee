# Flags that every target shares, as the interface target soret_flags.
add_library(soret_flags INTERFACE)
target_include_directories(soret_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})

# No contraction: a*b+c becomes an FMA only where the code says fma(), so that the same source gives the
# same bits in every translation unit and on every device. No errno and no trapping maths: loops with
# selects and square roots may vectorise.
target_compile_options(soret_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-march=${SORET_ARCH} -ffp-contract=off -fno-math-errno -fno-trapping-math>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-psabi>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${SORET_WERROR}>>:-Werror>)
# One trajectory runs on one thread; Eigen must not start its own.
target_compile_definitions(soret_flags INTERFACE EIGEN_DONT_PARALLELIZE)
# GCC 12 warns about the deliberately undefined registers of its own AVX-512 intrinsics (GCC bug 105593), which Eigen uses.
target_compile_options(soret_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(soret_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-O3>)
endif()
