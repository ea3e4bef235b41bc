"""Written by `python -m rushlight.stubs`: the module of each name; do not edit."""

FUNCTIONS = {
    "arithmetic": "add addcdiv addcmul div divide float_power lerp rsub sub subtract true_divide",
    "assembly": (
        "atleast_1d atleast_2d atleast_3d broadcast_shapes broadcast_tensors column_stack dstack"
        " flip fliplr flipud hstack meshgrid repeat_interleave roll rot90 row_stack tile vstack"
    ),
    "checks": (
        "_check _check_index _check_is_size _check_not_implemented _check_tensor_all _check_type"
        " _check_value _check_with"
    ),
    "combining": "block_diag cartesian_prod combinations vander",
    "compilation": "compile",
    "complex_parts": (
        "adjoint complex conj_physical imag polar real resolve_conj resolve_neg view_as_complex"
        " view_as_real"
    ),
    "compressed": (
        "sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_csc_tensor"
        " sparse_csr_tensor"
    ),
    "control": "cond scan while_loop",
    "copies": (
        "as_strided_copy ccol_indices_copy col_indices_copy crow_indices_copy detach_copy"
        " diagonal_copy expand_copy narrow_copy permute_copy row_indices_copy select_copy"
        " slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy transpose_copy"
        " unbind_copy unfold_copy unsqueeze_copy values_copy view_as_complex_copy view_as_real_copy"
        " view_copy"
    ),
    "counting": "bincount bucketize histc histogram isin searchsorted unique unique_consecutive",
    "creation": (
        "OutOfMemoryError arange empty empty_like empty_strided eye full full_like linspace"
        " logspace ones ones_like range zeros zeros_like"
    ),
    "diagonals": "as_strided diag diag_embed diagflat diagonal tril tril_indices triu triu_indices",
    "differences": "gradient",
    "drawing": (
        "Generator bernoulli binomial default_generator get_rng_state initial_seed manual_seed"
        " multinomial normal poisson rand rand_like randint randint_like randn randn_like randperm"
        " seed set_rng_state"
    ),
    "einsum": "einsum",
    "foreign": "asarray from_dlpack",
    "from_data": "as_tensor from_numpy frombuffer tensor",
    "histograms": "histogramdd",
    "in_place_names": (
        "abs_ acos_ acosh_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_"
        " atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ exp_ exp2_ expm1_"
        " fix_ floor_ frac_ gcd_ lcm_ log_ log10_ log1p_ log2_ neg_ negative_ rad2deg_ reciprocal_"
        " round_ rsqrt_ sigmoid_ sin_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ erf_ erfc_ i0_ ldexp_"
        " logit_ nan_to_num_ sinc_ xlogy_"
    ),
    "indexing": "nonzero",
    "joining": "cat concat concatenate stack",
    "low_rank": "pca_lowrank svd_lowrank",
    "masking": "masked_fill masked_scatter masked_select",
    "matrices": (
        "cdist chain_matmul cholesky cholesky_inverse cholesky_solve cross det eig geqrf inverse"
        " logdet lstsq lu lu_solve lu_unpack matrix_exp matrix_power matrix_rank orgqr ormqr"
        " pinverse qr slogdet solve svd symeig triangular_solve"
    ),
    "neural": "log_softmax softmax",
    "overwriting": (
        "addmv_ alias_copy as_strided_ conj_physical_ detach_ empty_permuted fill fill_ get_device"
        " index_put_ nonzero_static resize_as_ typename zero_"
    ),
    "placing": (
        "argwhere as_strided_scatter diagonal_scatter index_add index_copy index_fill index_put"
        " index_select put select_scatter slice_scatter take take_along_dim unravel_index"
    ),
    "pointwise": (
        "abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh"
        " atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or"
        " bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip conj copysign cos"
        " cosh deg2rad eq exp exp2 expm1 fix floor floor_divide fmax fmin fmod frac gcd ge greater"
        " greater_equal gt heaviside hypot isfinite isinf isnan isneginf isposinf lcm le less"
        " less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or"
        " logical_xor lt maximum minimum mul multiply ne neg negative nextafter not_equal positive"
        " pow rad2deg reciprocal relu remainder round rsqrt sgn sigmoid sign signbit sin sinh sqrt"
        " square tan tanh trunc where"
    ),
    "predicates": (
        "allclose can_cast equal is_complex is_conj is_floating_point is_inference is_neg"
        " is_nonzero is_same_size is_signed is_storage is_tensor isclose isreal numel result_type"
        " scalar_tensor"
    ),
    "products": (
        "addbmm addmm addmv addr baddbmm bmm dot ger inner kron matmul mm mv outer tensordot trace"
        " vdot"
    ),
    "protocol": "detach",
    "quantization": "fake_quantize_per_channel_affine fake_quantize_per_tensor_affine",
    "reduction": (
        "_is_all_true _is_any_true all amax amin any argmax argmin max mean min named_result sum"
    ),
    "scanning": (
        "cummax cummin cumprod cumsum cumulative_trapezoid diff logcumsumexp prod trapezoid trapz"
    ),
    "scattering": "gather index_reduce scatter scatter_add scatter_reduce",
    "segments": "segment_reduce",
    "settings": (
        "are_deterministic_algorithms_enabled get_default_device get_deterministic_debug_mode"
        " get_float32_matmul_precision is_deterministic_algorithms_warn_only_enabled"
        " is_warn_always_enabled set_default_device set_default_tensor_type"
        " set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal"
        " set_warn_always use_deterministic_algorithms"
    ),
    "sorting": "argsort kthvalue median mode msort nanmedian nanquantile quantile sort topk",
    "sparse": "dsmm hsmm hspmm saddmm smm sparse_coo_tensor spmm sspaddmm",
    "special_functions": (
        "angle digamma erf erfc erfinv frexp i0 igamma igammac ldexp lgamma logit mvlgamma"
        " nan_to_num polygamma sinc xlogy"
    ),
    "spectrograms": "istft stft",
    "splitting": (
        "chunk dsplit hsplit split split_with_sizes tensor_split unbind unsafe_chunk unsafe_split"
        " unsafe_split_with_sizes vsplit"
    ),
    "statistics": (
        "aminmax corrcoef count_nonzero cov dist hash_tensor logsumexp nanmean nansum norm renorm"
        " std std_mean var var_mean"
    ),
    "storage": "StorageBase TypedStorage UntypedStorage from_file is_storage",
    "structure": (
        "broadcast_to clone expand expand_as flatten moveaxis movedim narrow permute ravel reshape"
        " reshape_as select squeeze swapaxes swapdims t transpose unflatten unsqueeze view view_as"
    ),
    "threads": "get_num_interop_threads get_num_threads set_num_interop_threads set_num_threads",
    "typed": (
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor"
        " IntTensor LongTensor ShortTensor"
    ),
    "typed_storages": (
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage"
        " ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage"
        " ShortStorage Storage"
    ),
    "windows": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
}
METHODS = {
    "filling": "normal_ uniform_ random_ exponential_ cauchy_ log_normal_ geometric_ bernoulli_",
    "reshaping": (
        "squeeze_ unsqueeze_ t_ transpose_ swapaxes_ swapdims_ as_strided_ masked_fill_"
        " masked_scatter_ index_add_ index_copy_ index_fill_ index_put_ put_ index_reduce_ scatter_"
        " scatter_add_ scatter_reduce_ tril_ triu_ conj_physical_ resize_ resize_as_ set_"
        " fill_diagonal_ apply_ map_ map2_ repeat unfold new_tensor new_full new_zeros new_ones"
        " new_empty new_empty_strided polygamma polygamma_ is_set_to float_power_ sum_to_size"
        " as_subclass real imag mH H"
    ),
    "place": (
        "is_pinned is_distributed name new storage _typed_storage untyped_storage pin_memory"
        " output_nr _make_subclass _make_wrapper_subclass"
    ),
    "sharing": "is_shared share_memory_",
    "sparse": (
        "to_sparse sparse_mask to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr"
        " to_sparse_bsc values indices coalesce is_coalesced _nnz _indices _values crow_indices"
        " col_indices ccol_indices row_indices"
    ),
    "answers_in_place": (
        "eq_ ge_ greater_ greater_equal_ gt_ le_ less_ less_equal_ lt_ ne_ not_equal_ logical_and_"
        " logical_not_ logical_or_ logical_xor_"
    ),
    "seldom": (
        "prelu resize resize_as hash_tensor grad_dtype module_load const_data_ptr dequantize"
        " storage_type dim_order xpu mtia ipu"
    ),
}
SHARED = {
    "shared": (
        "adaptive_avg_pool1d adaptive_max_pool1d affine_grid_generator alpha_dropout"
        " alpha_dropout_ avg_pool1d batch_norm bilinear binary_cross_entropy_with_logits celu celu_"
        " channel_shuffle constant_pad_nd conv1d conv2d conv3d conv_tbc conv_transpose1d"
        " conv_transpose2d conv_transpose3d convolution cosine_embedding_loss cosine_similarity"
        " ctc_loss dropout dropout_ embedding embedding_bag embedding_renorm_ feature_alpha_dropout"
        " feature_alpha_dropout_ feature_dropout feature_dropout_ frobenius_norm grid_sampler"
        " grid_sampler_2d grid_sampler_3d group_norm gru gru_cell hardshrink hinge_embedding_loss"
        " instance_norm kl_div layer_norm lstm lstm_cell margin_ranking_loss max_pool1d"
        " max_pool1d_with_indices max_pool2d max_pool3d native_batch_norm native_channel_shuffle"
        " native_dropout native_group_norm native_layer_norm norm_except_dim nuclear_norm"
        " pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu_"
        " rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell rrelu rrelu_ selu selu_ threshold"
        " threshold_ triplet_margin_loss"
    ),
}
