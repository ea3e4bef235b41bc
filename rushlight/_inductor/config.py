"""torch._inductor.config: settings of torch's code generator that scripts make before compiling.

They are kept, so that a script reads back what it set, and change nothing: our generator has no
autotuning, Triton or C++ to set.
Source: https://github.com/pytorch/pytorch/blob/main/torch/_inductor/config.py
"""

from __future__ import annotations

import sys
from typing import Any

from ..core.settings import Settings

_VALUES: dict[str, Any] = {
    **dict.fromkeys(
        """
        debug cpp_wrapper fx_wrapper dce memory_planning use_fast_math nan_asserts
        epilogue_fusion_first epilogue_fusion_with_atomic_add b2b_gemm_pass group_fusion
        max_autotune max_autotune_pointwise max_autotune_gemm coordinate_descent_tuning
        coordinate_descent_check_all_directions force_fuse_int_mm_with_mul force_layout_optimization
        fallback_random aggressive_fusion benchmark_fusion deterministic batch_invariant
        benchmark_kernel combo_kernels freezing freezing_discard_parameters profile_bandwidth
        unsafe_ignore_unsupported_triton_autotune_args force_shape_pad
        reorder_for_compute_comm_overlap emulate_precision_casts search_autotune_cache
        autotune_in_subproc comment_origin pad_channels_last assume_aligned_inputs
        efficient_conv_bn_eval_fx_passes triton.cudagraphs triton.cudagraph_or_error permute_fusion
        conv_1x1_as_mm triton.cudagraph_skip_dynamic_graphs triton.debug_sync_graph
        triton.debug_sync_kernel triton.skip_cudagraph_warmup triton.dense_indexing
        triton.prefer_nd_tiling triton.tile_reductions triton.cooperative_reductions
        triton.unique_user_kernel_names triton.store_cubin triton.enable_persistent_tma_matmul
        cpp.dynamic_threads cpp.enable_kernel_profile cpp.enable_unsafe_math_opt_flag
        cpp.enable_grouped_gemm_template trace.enabled trace.graph_diagram
        aot_inductor.debug_compile aot_inductor.package
        """.split(),
        False,
    ),
    **dict.fromkeys(
        """
        disable_progress fx_graph_cache autotune_local_cache size_asserts alignment_asserts
        scalar_asserts pick_loop_orders inplace_buffers allow_buffer_reuse benchmark_harness
        epilogue_fusion prologue_fusion pattern_matcher split_cat_fx_passes batch_fusion
        reorder_for_locality reorder_for_peak_memory use_mixed_mm layout_optimization
        keep_output_stride loop_ordering_after_fusion split_reductions joint_graph_constant_folding
        shape_padding comprehensive_padding graph_partition triton.cudagraph_trees
        triton.unique_kernel_names triton.autotune_pointwise triton.persistent_reductions
        triton.divisible_by_16 cpp.weight_prepack cpp.no_redundant_loops cpp.enable_loop_tail_vec
        """.split(),
        True,
    ),
    "mixed_mm_choice": "heuristic",
    "max_autotune_gemm_backends": "ATEN,TRITON,CPP", "max_autotune_conv_backends": "ATEN,TRITON",
    "max_autotune_gemm_search_space": "DEFAULT", "coordinate_descent_search_radius": 1,
    "realize_reads_threshold": 4, "realize_opcount_threshold": None, "max_fusion_size": 64,
    "unroll_reductions_threshold": 8, "compile_threads": 1, "cpp.threads": -1,
    "cpp.simdlen": None, "cpp.min_chunk_size": 512, "triton.multi_kernel": 0,
    "trace.debug_dir": None, "fx_graph_remote_cache": None,
    "memory_pool": "intermediates", "aot_inductor.output_path": "",
}  # fmt: skip

config = Settings(__name__, _VALUES)
vars(config).update(__doc__=__doc__, __spec__=__spec__, __file__=__file__, __package__=__package__)
sys.modules[__name__] = config
