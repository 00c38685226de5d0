using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class IndexingTests
{
    private static Tensor X => M(2, 0, 1, 2, 3, 4, 5);

    private static Tensor Changed(Tensor x, Action<Tensor> change)
    {
        change(x);
        return x;
    }

    private static readonly Dictionary<string, Case> s_cases = new()
    {
        ["one"] = new(() => X[1], [3, 4, 5], [3]),
        ["two"] = new(() => X[1, 2], [5], []),
        ["negative"] = new(() => X[-1, -1], [5], []),
        ["three"] = new(() => X.unsqueeze(0)[0, 1, 2], [5], []),
        ["four"] = new(() => X.view(1, 1, 2, 3)[0, 0, 1, 2], [5], []),
        ["range"] = new(() => X[.., 1..], [1, 2, 4, 5], [2, 2]),
        ["range from end"] = new(() => X[.., ^2..^1], [1, 4], [2, 1]),
        ["index from end"] = new(() => X[.., ^1], [2, 5], [2]),
        ["empty range"] = new(() => X[.., 3..], [], [2, 0]),
        ["slice step"] = new(() => X[TensorIndex.Colon, TensorIndex.Slice(0, 3, 2)], [0, 2, 3, 5], [2, 2]),
        ["slice negative stop"] = new(() => X[TensorIndex.Colon, TensorIndex.Slice(stop: -1)], [0, 1, 3, 4], [2, 2]),
        ["tuple"] = new(() => X[TensorIndex.Colon, (1, null)], [1, 2, 4, 5], [2, 2]),
        ["ellipsis"] = new(() => X.view(1, 2, 3)[TensorIndex.Ellipsis, 0], [0, 3], [1, 2]),
        ["ellipsis first"] = new(() => X.view(1, 2, 3)[0, TensorIndex.Ellipsis, 1], [1, 4], [2]),
        ["none"] = new(() => V(1, 2)[TensorIndex.None, TensorIndex.Colon], [1, 2], [1, 2]),
        ["true"] = new(() => V(1, 2)[TensorIndex.Bool(true)], [1, 2], [1, 2]),
        ["false"] = new(() => V(1, 2)[TensorIndex.Bool(false)], [], [0, 2]),
        ["integers"] = new(() => X[TensorIndex.Colon, TensorIndex.Tensor(L(2, 0))], [2, 0, 5, 3], [2, 2]),
        ["pairs"] = new(() => X[TensorIndex.Tensor(L(0, 1)), TensorIndex.Tensor(L(2, 0))], [2, 3], [2]),
        ["tensors only"] = new(() => X[L(0, 1), L(2, 0)], [2, 3], [2]),
        ["mask"] = new(() => X[TensorIndex.Tensor(X.gt(2))], [3, 4, 5], [3]),
        ["mask of two dimensions, then a list"] =
            new(() => X.unsqueeze(2).expand(2, 3, 2)[TensorIndex.Tensor(X.gt(3)), TensorIndex.Tensor(L(0, 1))], [4, 5], [2]),
        ["number, then list"] = new(() => X[1, TensorIndex.Tensor(L(0, 0))], [3, 3], [2]),
        ["set one"] = new(() => Changed(X, x => x[0] = V(7, 8, 9)), [7, 8, 9, 3, 4, 5]),
        ["set two"] = new(() => Changed(X, x => x[1, 1] = tensor(9.0)), [0, 1, 2, 3, 9, 5]),
        ["set range"] = new(() => Changed(X, x => x[.., 0..2] = V(8, 9)), [8, 9, 2, 8, 9, 5]),
        ["set list"] = new(() => Changed(X, x => x[L(0, 1), L(2, 0)] = V(8, 9)), [0, 1, 8, 9, 4, 5]),
        ["set mask"] = new(() => Changed(X, x => x[TensorIndex.Tensor(x.gt(2))] = tensor(0.0)), [0, 1, 2, 0, 0, 0]),
        ["index_put_ adds"] = new(() => V(1, 2).index_put_(V(1, 1, 1), new[] { TensorIndex.Tensor(L(0, 0, 1)) }, accumulate: true), [3, 3]),
        ["index_put_ adds to a view"] = new(() => V(1, 2).index_put_(V(5), new TensorIndex[] { 0..1 }, accumulate: true), [6, 2]),
        ["index_put_ tensors add"] = new(() => V(1, 2).index_put_(V(1, 1), [L(0, 0)], accumulate: true), [3, 2]),
        ["index_put_ number"] = new(() => X.index_put_(7, TensorIndex.Colon, 1), [0, 7, 2, 3, 7, 5]),
        ["index_put_ number at list"] = new(() => V(1, 2, 3).index_put_(7, L(0, 2)), [7, 2, 7]),
        ["index_select"] = new(() => X.index_select(1, L(2, 0)), [2, 0, 5, 3], [2, 2]),
        ["index_add"] = new(() => V(1, 2).index_add(0, L(1, 1), V(10, 20), 1), [1, 32]),
        ["index_add_"] = new(() => V(1, 2).index_add_(0, L(1, 1), V(10, 20), 2), [1, 62]),
        ["index_copy_"] = new(() => V(1, 2).index_copy_(0, L(1), V(9)), [1, 9]),
        ["index_fill_"] = new(() => V(1, 2).index_fill_(0, L(0), 9), [9, 2]),
        ["gather"] = new(() => X.gather(1, LM(2, 2, 0)), [2, 3], [2, 1]),
        ["scatter"] = new(() => X.scatter(1, LM(2, 2, 0), M(2, 8, 9)), [0, 1, 8, 9, 4, 5]),
        ["scatter_"] = new(() => X.scatter_(1, LM(2, 2, 0), M(2, 8, 9)), [0, 1, 8, 9, 4, 5]),
        ["scatter_add"] = new(() => V(1, 2).scatter_add(0, L(1, 1), V(10, 20)), [1, 32]),
        ["scatter_add_"] = new(() => V(1, 2).scatter_add_(0, L(1, 1), V(10, 20)), [1, 32]),
        ["masked_fill"] = new(() => V(1, 2).masked_fill(B(0, 1), -1), [1, -1]),
        ["masked_fill_"] = new(() => V(1, 2).masked_fill_(B(0, 1), double.NegativeInfinity), [1, double.NegativeInfinity]),
        ["masked_select"] = new(() => V(1, 2, 3).masked_select(B(1, 0, 1)), [1, 3], [2]),
        ["masked_scatter"] = new(() => V(1, 2, 3).masked_scatter(B(1, 0, 1), V(8, 9)), [8, 2, 9]),
        ["where"] = new(() => where(B(1, 0), V(1, 2), V(3, 4)), [1, 4]),
        ["where indices"] = new(() => where(B(0, 1, 1))[0], [1, 2]),
        ["take_along_dim"] = new(() => X.take_along_dim(LM(2, 2, 0), 1), [2, 3], [2, 1]),
        ["take_along_dim flat"] = new(() => X.take_along_dim(L(5, 0)), [5, 0]),
        ["nonzero"] = new(() => M(2, 0, 1, 1, 0).nonzero(), [0, 1, 1, 0], [2, 2]),
    };

    public static TheoryData<string> Names => [.. s_cases.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Value_and_shape_match_hand_computation(string name) => s_cases[name].Check();

    [Fact]
    public void Indexing_without_tensors_gives_views()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = X;
        x[.., 1].fill_(9);
        x[0, 0].fill_(8);
        AssertClose([8, 9, 2, 3, 9, 5], x, 0);
    }

    [Fact]
    public void Indexing_leaves_no_tensors_behind()
    {
        using Tensor x = X;
        using Tensor ids = L(0, 1);
        using Tensor value = V(1, 2);
        long before = Tensor.TotalCount;
        x[1, 2].Dispose();
        x[.., 1..2].Dispose();
        x[1, TensorIndex.Tensor(ids)].Dispose();
        x[1, TensorIndex.Tensor(ids)] = value;
        x[.., 1] = value;
        x.index_put_(1, 0);
        Assert.Equal(before, Tensor.TotalCount);
    }
}
