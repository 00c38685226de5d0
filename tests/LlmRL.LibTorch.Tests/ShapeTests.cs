using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class ShapeTests
{
    private static Tensor X => M(2, 0, 1, 2, 3, 4, 5);

    private static readonly Dictionary<string, Case> s_cases = new()
    {
        ["view"] = new(() => X.view(3, 2), [0, 1, 2, 3, 4, 5], [3, 2]),
        ["view -1"] = new(() => X.view([-1, 3]), [0, 1, 2, 3, 4, 5], [2, 3]),
        ["view_as"] = new(() => X.view_as(zeros(6)), [0, 1, 2, 3, 4, 5], [6]),
        ["reshape"] = new(() => X.t().reshape(6), [0, 3, 1, 4, 2, 5], [6]),
        ["transpose"] = new(() => X.transpose(0, 1), [0, 3, 1, 4, 2, 5], [3, 2]),
        ["transpose_"] = new(() => X.transpose_(0, 1), [0, 3, 1, 4, 2, 5], [3, 2]),
        ["t"] = new(() => X.t(), [0, 3, 1, 4, 2, 5], [3, 2]),
        ["T"] = new(() => X.T, [0, 3, 1, 4, 2, 5], [3, 2]),
        ["mT"] = new(() => X.unsqueeze(0).mT, [0, 3, 1, 4, 2, 5], [1, 3, 2]),
        ["permute"] = new(() => X.unsqueeze(0).permute(2, 0, 1), [0, 3, 1, 4, 2, 5], [3, 1, 2]),
        ["expand"] = new(() => V(1, 2).expand(2, 2), [1, 2, 1, 2], [2, 2]),
        ["expand list"] = new(() => V(1, 2).expand([2, -1]), [1, 2, 1, 2], [2, 2]),
        ["expand_as"] = new(() => V(1, 2).expand_as(zeros(2, 2)), [1, 2, 1, 2], [2, 2]),
        ["broadcast_to"] = new(() => V(1).broadcast_to(3), [1, 1, 1], [3]),
        ["squeeze"] = new(() => V(1, 2).view(1, 2, 1).squeeze(), [1, 2], [2]),
        ["squeeze dim"] = new(() => V(1, 2).view(1, 2, 1).squeeze(-1), [1, 2], [1, 2]),
        ["unsqueeze"] = new(() => V(1, 2).unsqueeze(1), [1, 2], [2, 1]),
        ["unsqueeze_"] = new(() => V(1, 2).unsqueeze_(0), [1, 2], [1, 2]),
        ["flatten"] = new(() => X.flatten(), [0, 1, 2, 3, 4, 5], [6]),
        ["flatten part"] = new(() => X.view(1, 2, 3).flatten(0, 1), [0, 1, 2, 3, 4, 5], [2, 3]),
        ["unflatten"] = new(() => X.flatten().unflatten(0, 3, 2), [0, 1, 2, 3, 4, 5], [3, 2]),
        ["narrow"] = new(() => X.narrow(1, 1, 2), [1, 2, 4, 5], [2, 2]),
        ["slice"] = new(() => X.slice(1, 0, 3, 2), [0, 2, 3, 5], [2, 2]),
        ["select"] = new(() => X.select(0, 1), [3, 4, 5], [3]),
        ["unfold"] = new(() => V(1, 2, 3, 4).unfold(0, 2, 1), [1, 2, 2, 3, 3, 4], [3, 2]),
        ["repeat"] = new(() => V(1, 2).repeat(2, 2), [1, 2, 1, 2, 1, 2, 1, 2], [2, 4]),
        ["repeat_interleave"] = new(() => V(1, 2).repeat_interleave(2), [1, 1, 2, 2], [4]),
        ["repeat_interleave dim"] = new(() => X.repeat_interleave(2, 0), [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5], [4, 3]),
        ["repeat_interleave counts"] = new(() => V(1, 2).repeat_interleave(L(1, 3)), [1, 2, 2, 2], [4]),
        ["tile"] = new(() => V(1, 2).tile([2]), [1, 2, 1, 2], [4]),
        ["roll"] = new(() => V(1, 2, 3).roll(1), [3, 1, 2], [3]),
        ["roll dim"] = new(() => X.roll(1, 1), [2, 0, 1, 5, 3, 4], [2, 3]),
        ["roll dims"] = new(() => X.roll(new long[] { 1, 1 }, [0, 1]), [5, 3, 4, 2, 0, 1], [2, 3]),
        ["flip"] = new(() => X.flip(1), [2, 1, 0, 5, 4, 3], [2, 3]),
        ["movedim"] = new(() => zeros(2, 3, 4, float64).movedim([0], [2]).sum(), [0], []),
        ["as_strided"] = new(() => V(0, 1, 2, 3).as_strided([2, 2], [1, 1], 1), [1, 2, 2, 3], [2, 2]),
        ["tril"] = new(() => ones(2, 2, float64).tril(), [1, 0, 1, 1]),
        ["triu"] = new(() => ones(2, 2, float64).triu(1), [0, 1, 0, 0]),
        ["diag"] = new(() => V(1, 2).diag(), [1, 0, 0, 2], [2, 2]),
        ["contiguous"] = new(() => X.t().contiguous(), [0, 3, 1, 4, 2, 5], [3, 2]),
        ["cat"] = new(() => cat([V(1), V(2, 3)]), [1, 2, 3], [3]),
        ["cat dim"] = new(() => cat(new List<Tensor> { M(2, 1, 2), M(2, 3, 4) }, 1), [1, 3, 2, 4], [2, 2]),
        ["stack"] = new(() => stack([V(1, 2), V(3, 4)], 1), [1, 3, 2, 4], [2, 2]),
        ["hstack"] = new(() => hstack(V(1), V(2)), [1, 2]),
        ["vstack"] = new(() => vstack([V(1), V(2)]), [1, 2], [2, 1]),
    };

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Value_and_shape_match_hand_computation(string name) => s_cases[name].Check();

    [Fact]
    public void Lists_of_views()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal([2L, 1L], X.split(2, 1).Select(part => part.shape[1]));
        Assert.Equal([1L, 2L], X.split([1, 2], 1).Select(part => part.shape[1]));
        Assert.Equal([2L, 2L, 1L], arange(5).chunk(3).Select(part => part.shape[0]));
        Tensor[] rows = X.unbind();
        Assert.Equal(2, rows.Length);
        AssertClose([3, 4, 5], rows[1], 0);
        Tensor[] grid = meshgrid([V(1, 2), V(3)]);
        AssertClose([1, 2], grid[0], 0);
        AssertClose([3, 3], grid[1], 0);
    }

    [Fact]
    public void Views_share_memory()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = V(1, 2, 3, 4);
        x.view(2, 2).select(0, 1).fill_(9);
        AssertClose([1, 2, 9, 9], x, 0);
        Assert.Equal(2, x.narrow(0, 2, 2).storage_offset());
    }

    [Fact]
    public void Metadata()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = zeros([2, 3], float32);
        Assert.Equal(2, x.dim());
        Assert.Equal(2, x.ndim);
        Assert.Equal(6, x.numel());
        Assert.Equal(6, x.NumberOfElements);
        Assert.Equal([2, 3], x.shape);
        Assert.Equal(3, x.size(-1));
        Assert.Equal([3, 1], x.stride());
        Assert.Equal(3, x.stride(0));
        Assert.Equal(4, x.element_size());
        Assert.Equal(float32, x.dtype);
        Assert.Equal(CPU, x.device);
        Assert.Equal(DeviceType.CPU, x.device_type);
        Assert.False(x.is_cuda);
        Assert.True(x.is_contiguous());
        Assert.False(x.t().is_contiguous());
        Assert.Equal(24, x.bytes.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => x.size(2));
        Assert.Equal(0, zeros([0]).numel());
        Assert.Empty(tensor(1f).shape);
        Assert.Contains("[2x3]", x.ToString());
    }
}
