using TorchSharp;
using TorchSharp.Modules;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class ElementwiseTests
{
    private const double Inf = double.PositiveInfinity;
    private static readonly double s_e = Math.E;

    private static readonly Dictionary<string, Case> s_cases = new()
    {
        ["neg"] = new(() => V(1, -2).neg(), [-1, 2]),
        ["abs"] = new(() => V(1, -2).abs(), [1, 2]),
        ["exp"] = new(() => V(0, 1).exp(), [1, s_e]),
        ["log"] = new(() => V(1, s_e).log(), [0, 1]),
        ["log2"] = new(() => V(1, 8).log2(), [0, 3]),
        ["log1p"] = new(() => V(0, 1e-20).log1p(), [0, 1e-20]),
        ["expm1"] = new(() => V(0, 1e-20).expm1(), [0, 1e-20]),
        ["sqrt"] = new(() => V(4, 9).sqrt(), [2, 3]),
        ["rsqrt"] = new(() => V(4, 16).rsqrt(), [0.5, 0.25]),
        ["square"] = new(() => V(3, -4).square(), [9, 16]),
        ["reciprocal"] = new(() => V(2, -4).reciprocal(), [0.5, -0.25]),
        ["floor"] = new(() => V(1.5, -1.5).floor(), [1, -2]),
        ["ceil"] = new(() => V(1.5, -1.5).ceil(), [2, -1]),
        ["trunc"] = new(() => V(1.5, -1.5).trunc(), [1, -1]),
        ["round"] = new(() => V(0.5, 1.5, -2.7).round(), [0, 2, -3]),
        ["round decimals"] = new(() => V(1.26).round(1), [1.3]),
        ["sign"] = new(() => V(-3, 0, 5).sign(), [-1, 0, 1]),
        ["sin"] = new(() => V(0, Math.PI / 2).sin(), [0, 1]),
        ["cos"] = new(() => V(0, Math.PI).cos(), [1, -1]),
        ["sigmoid"] = new(() => V(0, Math.Log(3)).sigmoid(), [0.5, 0.75]),
        ["tanh"] = new(() => V(0, 0.5 * Math.Log(3)).tanh(), [0, 0.5]),
        ["relu"] = new(() => V(-1, 2).relu(), [0, 2]),
        ["silu"] = new(() => V(0, Math.Log(3)).silu(), [0, 0.75 * Math.Log(3)]),
        ["gelu"] = new(() => V(0, 1).gelu(), [0, 0.8413447460685429]),
        ["gelu tanh"] = new(() => V(1).gelu(GELU.Approximate.tanh), [0.5 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * 1.044715))]),
        ["erf"] = new(() => V(0, 1).erf(), [0, 0.8427007929497149]),
        ["softplus"] = new(() => V(0, 30).softplus(), [Math.Log(2), 30]),
        ["softplus beta"] = new(() => V(0).softplus(2), [Math.Log(2) / 2]),
        ["logit"] = new(() => V(0.75, 2).logit(0.25), [Math.Log(3), Math.Log(3)]),
        ["log_sigmoid"] = new(() => V(0, -800).log_sigmoid(), [-Math.Log(2), -800]),
        ["isnan"] = new(() => V(double.NaN, 1, Inf).isnan(), [1, 0, 0]),
        ["isinf"] = new(() => V(double.NaN, 1, -Inf).isinf(), [0, 0, 1]),
        ["isfinite"] = new(() => V(double.NaN, 1, Inf).isfinite(), [0, 1, 0]),
        ["nan_to_num"] = new(() => V(double.NaN, Inf, -Inf).nan_to_num(5, 6, 7), [5, 6, 7]),
        ["clamp"] = new(() => V(-2, 0.5, 3).clamp(-1, 1), [-1, 0.5, 1]),
        ["clamp min only"] = new(() => V(-2, 3).clamp(min: 0), [0, 3]),
        ["clamp tensor"] = new(() => V(-2, 3).clamp(V(-1, -1), V(0, 1)), [-1, 1]),
        ["clamp_"] = new(() => V(-2, 3).clamp_(-1, 1), [-1, 1]),
        ["clamp_ tensor"] = new(() => V(-2, 3).clamp_(V(0, 0), V(1, 1)), [0, 1]),
        ["clamp_min"] = new(() => V(-2, 3).clamp_min(1), [1, 3]),
        ["clamp_max"] = new(() => V(-2, 3).clamp_max(1), [-2, 1]),
        ["maximum"] = new(() => V(1, 5).maximum(V(2, 3)), [2, 5]),
        ["minimum"] = new(() => V(1, 5).minimum(V(2, 3)), [1, 3]),
        ["add"] = new(() => V(1, 2).add(V(3, 4)), [4, 6]),
        ["add alpha"] = new(() => V(1, 2).add(V(3, 4), -2), [-5, -6]),
        ["add scalar"] = new(() => V(1, 2).add(0.5), [1.5, 2.5]),
        ["add scalar alpha"] = new(() => V(1, 2).add(3, 2), [7, 8]),
        ["add_ scalar alpha"] = new(() => V(1).add_(3, 2), [7]),
        ["sub"] = new(() => V(1, 2).sub(V(3, 5)), [-2, -3]),
        ["sub scalar"] = new(() => V(1, 2).sub(0.5), [0.5, 1.5]),
        ["mul broadcast"] = new(() => M(2, 1, 2, 3, 4).mul(V(10, 100)), [10, 200, 30, 400], [2, 2]),
        ["mul scalar"] = new(() => V(1, 2).mul(3), [3, 6]),
        ["div"] = new(() => V(1, 3).div(V(2, 4)), [0.5, 0.75]),
        ["div integers"] = new(() => L(1, 3).div(L(2, 2)), [0.5, 1.5]),
        ["div floor"] = new(() => V(-7).div(V(2), RoundingMode.floor), [-4]),
        ["div trunc"] = new(() => V(-7).div(2, RoundingMode.trunc), [-3]),
        ["div_ floor"] = new(() => V(-7).div_(2, RoundingMode.floor), [-4]),
        ["div_ trunc tensor"] = new(() => V(-7).div_(V(2), RoundingMode.trunc), [-3]),
        ["pow"] = new(() => V(2, 3).pow(V(3, 2)), [8, 9]),
        ["pow scalar"] = new(() => V(4, 9).pow(0.5), [2, 3]),
        ["pow_"] = new(() => V(2).pow_(3), [8]),
        ["floor_divide"] = new(() => L(7, -7).floor_divide(L(2, 2)), [3, -4]),
        ["floor_divide scalar"] = new(() => V(7, -7).floor_divide(2), [3, -4]),
        ["remainder"] = new(() => V(7, -7).remainder(V(3, 3)), [1, 2]),
        ["remainder scalar"] = new(() => L(7, -7).remainder(3), [1, 2]),
        ["lerp"] = new(() => V(0, 10).lerp(V(10, 20), V(0.5, 0.1)), [5, 11]),
        ["lerp scalar"] = new(() => V(0, 10).lerp(V(10, 20), 0.5), [5, 15]),
        ["lerp_"] = new(() => V(0).lerp_(V(10), V(0.25)), [2.5]),
        ["lerp_ scalar"] = new(() => V(0).lerp_(V(10), 0.25), [2.5]),
        ["addcmul"] = new(() => V(1).addcmul(V(2), V(3), 10), [61]),
        ["addcmul_"] = new(() => V(1).addcmul_(V(2), V(3), 10), [61]),
        ["addcdiv"] = new(() => V(1).addcdiv(V(6), V(3), 10), [21]),
        ["addcdiv_"] = new(() => V(1).addcdiv_(V(6), V(3), 10), [21]),
        ["addcdiv_ unit"] = new(() => V(1).addcdiv_(V(6), V(3)), [3]),
        ["fill_"] = new(() => V(1, 2).fill_(7), [7, 7]),
        ["zero_"] = new(() => V(1, 2).zero_(), [0, 0]),
        ["copy_ converts and broadcasts"] = new(() => zeros(2, 2, float64).copy_(L(1, 2)), [1, 2, 1, 2]),
        ["clone"] = new(() => V(1, 2).clone(), [1, 2]),
        ["eq"] = new(() => V(1, 2).eq(V(1, 3)), [1, 0]),
        ["ne"] = new(() => V(1, 2).ne(1), [0, 1]),
        ["lt"] = new(() => V(1, 2, 3).lt(2), [1, 0, 0]),
        ["le"] = new(() => V(1, 2, 3).le(2), [1, 1, 0]),
        ["gt"] = new(() => V(1, 2, 3).gt(V(2, 2, 2)), [0, 0, 1]),
        ["ge"] = new(() => V(1, 2, 3).ge(2), [0, 1, 1]),
        ["logical"] = new(() => cat([B(1, 1, 0).logical_and(B(1, 0, 0)), B(1, 0).logical_or(B(0, 0)), B(1, 1).logical_xor(B(0, 1)), B(1, 0).logical_not()]), [1, 0, 0, 1, 0, 1, 0, 0, 1]),
        ["bitwise"] = new(() => stack([L(6) & L(3), L(6) | L(3), ~L(6)]), [2, 7, -7]),
    };

    private static readonly Dictionary<string, Case> s_inPlace = new()
    {
        ["neg_"] = new(() => V(1).neg_(), [-1]),
        ["abs_"] = new(() => V(-1).abs_(), [1]),
        ["exp_"] = new(() => V(0).exp_(), [1]),
        ["log_"] = new(() => V(1).log_(), [0]),
        ["sqrt_"] = new(() => V(4).sqrt_(), [2]),
        ["rsqrt_"] = new(() => V(4).rsqrt_(), [0.5]),
        ["square_"] = new(() => V(3).square_(), [9]),
        ["reciprocal_"] = new(() => V(4).reciprocal_(), [0.25]),
        ["sigmoid_"] = new(() => V(0).sigmoid_(), [0.5]),
        ["tanh_"] = new(() => V(0).tanh_(), [0]),
        ["relu_"] = new(() => V(-1).relu_(), [0]),
        ["silu_"] = new(() => V(0).silu_(), [0]),
        ["floor_"] = new(() => V(1.5).floor_(), [1]),
        ["round_"] = new(() => V(1.6).round_(), [2]),
        ["add_"] = new(() => V(1).add_(V(2)), [3]),
        ["add_ alpha"] = new(() => V(1).add_(V(2), 3), [7]),
        ["sub_"] = new(() => V(1).sub_(V(2)), [-1]),
        ["sub_ scalar"] = new(() => V(1).sub_(2), [-1]),
        ["mul_"] = new(() => V(2).mul_(V(3)), [6]),
        ["mul_ scalar"] = new(() => V(2).mul_(3), [6]),
        ["div_"] = new(() => V(3).div_(V(2)), [1.5]),
        ["div_ scalar"] = new(() => V(3).div_(2), [1.5]),
    };

    public static TheoryData<string> Names => [.. s_cases.Keys, .. s_inPlace.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Value_matches_hand_computation(string name) => (s_cases.GetValueOrDefault(name) ?? s_inPlace[name]).Check();

    [Fact]
    public void In_place_methods_return_the_same_object_and_change_it()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1, 2);
        Assert.Same(x, x.add_(1).mul_(2).clamp_(0, 5));
        AssertClose([4, 5], x, 0);
    }

    [Fact]
    public void Operators_take_numbers_on_either_side()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1, 4);
        AssertClose([3, 6], x + 2, 0);
        AssertClose([3, 6], 2 + x, 0);
        AssertClose([-1, 2], x - 2.0, 0);
        AssertClose([1, -2], 2L - x, 0);
        AssertClose([2, 8], x * 2f, 0);
        AssertClose([2, 8], 2 * x, 0);
        AssertClose([0.5, 2], x / 2, 0);
        AssertClose([2, 0.5], 2.0 / x, 0);
        AssertClose([1, 0], x % 2, 0);
        AssertClose([-1, -4], -x, 0);
        AssertClose([2, 8], x + x, 0);
        AssertClose([0, 0], x - x, 0);
        AssertClose([1, 16], x * x, 0);
        AssertClose([1, 1], x / x, 0);
        AssertClose([0, 1], x > 2, 0);
        AssertClose([1, 0], x <= V(1, 3), 0);
        AssertClose([1, 0], x == 1, 0);
        AssertClose([0, 1], x != V(1, 3), 0);
        Assert.Equal(float32, (tensor(1f) / 2).dtype);
        Assert.Equal(float32, (2.0 * tensor(1f)).dtype);
    }

    [Fact]
    public void Integer_numbers_keep_integer_tensors()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(int64, (L(1) + 1).dtype);
        Assert.Equal(float32, (L(1) + 1.0).dtype);
    }

    [Fact]
    public void Equality_of_whole_tensors()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.True(V(1, 2).equal(V(1, 2)));
        Assert.False(V(1, 2).equal(V(1, 3)));
        Assert.True(allclose(V(1), V(1 + 1e-9)));
        Assert.False(allclose(V(1), V(1.1)));
        Tensor x = V(1);
        Assert.True(x.Equals(x));
        Assert.False(x.Equals(V(1)));
    }
}
